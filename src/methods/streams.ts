import { RpcError } from "../../rpc/index.ts";
import type { CheckedParams, ListStreamsResult } from "../../rpc/index.ts";
import { mayList } from "../access/decide.ts";
import { callersName } from "../access/prefix.ts";
import { directoryOf } from "../internal/directory-calls.ts";
import type { ListCall, ListReply } from "../internal/directory-calls.ts";
import { asOutcome, callStream, twiceIfLost, withDeadline } from "../platform/call-object.ts";

import type { Handlers } from "./context.ts";
import { found } from "./messages.ts";

/** Rows of the Directory that one listStreams looks at, in each call but the first, and how many calls it makes at most. */
const LOOK_ROWS = 1_000;
const MAX_LOOKS = 11;

export const streamHandlers: Handlers<
  "getProducer" | "listProducers" | "listStreams" | "getStreamInfo" | "configureStream" | "deleteStream"
> = {
  getProducer: async (params, { env }) => callStream(env, params.stream, "reads", (stub) => stub.getProducer(params)),

  listProducers: async (params, { env }) =>
    found(await callStream(env, params.stream, "reads", (stub) => stub.listProducers(params))),

  listStreams: async (params, { env, access }) =>
    listStreams(env, params, (stream) => mayList(access, callersName(access.prefix, stream))),

  getStreamInfo: async ({ stream }, { env }) => found(await callStream(env, stream, "reads", (stub) => stub.info())),

  configureStream: async (params, { env }) =>
    callStream(env, params.stream, "changes", (stub) => stub.configure(params)),

  deleteStream: async ({ stream, epoch }, { env }) => ({
    deleted: await callStream(env, stream, "changes", (stub) => stub.destroy(epoch)),
  }),
};

/**
 * Looks at rows of the Directory until there is one stream more than the page has, they end, or there were many. A row is
 * also what is left of a deleted stream, for a day. Whether there is another page is up to what the caller may read: any
 * stream behind a full one would tell whether there are streams of others.
 *
 * @param mayRead Whether the caller may read a stream of this name.
 * @throws LimitReached when there were many and the caller may read none.
 */
async function listStreams(
  env: Env,
  { prefix = "", after: from = "", limit }: CheckedParams<"listStreams">,
  mayRead: (stream: string) => boolean,
): Promise<ListStreamsResult> {
  const streams: ListStreamsResult["streams"] = [];
  let lookedThrough: string | undefined = from;
  for (let looks = 0; looks < MAX_LOOKS && lookedThrough !== undefined; looks += 1) {
    // One row more than fits tells whether the page is the last.
    const rows = looks === 0 ? limit + 1 : LOOK_ROWS;
    const page: ListReply = await look(env, { prefix, after: lookedThrough, rows });
    for (const [index, stream] of page.names.entries()) {
      if (!mayRead(stream)) {
        continue;
      }
      const last = streams.at(-1);
      if (last !== undefined && streams.length === limit) {
        return { streams, after: last.stream };
      }
      streams.push({ stream, epoch: page.epochs[index] ?? "", createdAt: page.createdAt[index] ?? 0 });
    }
    ({ lookedThrough } = page);
  }
  if (lookedThrough === undefined) {
    return { streams };
  }
  // A name that the caller may not read is not said, not even to go on behind it.
  const after = mayRead(lookedThrough) ? lookedThrough : streams.at(-1)?.stream;
  if (after === undefined) {
    const rows = MAX_LOOKS * LOOK_ROWS;
    throw new RpcError("LimitReached", "too many other streams are before the next one: list by a prefix", {
      what: "streams",
      limit: rows,
    });
  }
  return { streams, after };
}

/** @throws Unavailable when the Directory can not be reached. */
async function look(env: Env, call: ListCall): Promise<ListReply> {
  const ask = () => directoryOf(env).list(call);
  try {
    return await withDeadline(twiceIfLost(ask(), ask));
  } catch (error) {
    throw asOutcome(error, "reads", { what: "the directory" });
  }
}
