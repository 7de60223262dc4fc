import { LIMITS, RpcError } from "../../rpc/index.ts";
import type { GetMessagesParams } from "../../rpc/index.ts";
import type { Page } from "../internal/calls.ts";
import { JsonText } from "../internal/json-text.ts";
import { joinMessages, MESSAGE_SEPARATOR, splitMessages, utf8Bytes } from "../internal/message-text.ts";
import type { MessageText } from "../internal/message-text.ts";
import { whole } from "../internal/pieces.ts";
import { subjectMatcher } from "../internal/subject.ts";
import { callStream } from "../platform/call-object.ts";
import { requestDeadlineMs } from "../platform/settings.ts";

import type { CallContext, Handlers } from "./context.ts";

/** Pages that one getMessages with a filter reads at most, before it returns what it found and where to go on. */
const MAX_SCANNED_PAGES = 20;

export const messageHandlers: Handlers<"getMessages" | "deleteMessages"> = {
  getMessages: async (params, context) => {
    const { epoch, texts, nextSequence, lastSequence, skipped } = await readMessages(params, context);
    const head = `{"epoch":${JSON.stringify(epoch)},"messages":[${texts.join(MESSAGE_SEPARATOR)}]`;
    const tail = skipped === undefined ? "" : `,"skipped":${JSON.stringify(skipped)}`;
    return new JsonText(`${head},"nextSequence":${nextSequence},"lastSequence":${lastSequence}${tail}}`);
  },

  deleteMessages: async (params, { env }) =>
    found(await callStream(env, params.stream, "changes", (stub) => stub.deleteMessages(params))),
};

/** The result of a call to a stream that must exist. */
export function found<T>(result: T | undefined): T {
  if (result === undefined) {
    throw new RpcError("NotFound", "no such stream", { what: "stream" });
  }
  return result;
}

/** Reads pages until there are enough messages, or the stream or the time for the request ends. */
async function readMessages(params: GetMessagesParams, { env }: CallContext) {
  const { stream, filter, limit = LIMITS.pageMessages } = params;
  const matches = filter === undefined ? undefined : subjectMatcher(filter);
  const texts: string[] = [];
  let { from = "first", epoch } = params;
  let nextSequence = 1;
  let count = 0;
  let bytes = 0;
  let page: Page | undefined;
  let skipped: Page["skipped"];
  let pages = 0;
  const deadlineAt = Date.now() + requestDeadlineMs();
  do {
    const [start, room, expected] = [from, limit - count, epoch];
    const read = callStream(env, stream, "reads", (stub) =>
      stub.readPage(
        start,
        matches === undefined ? room : LIMITS.pageMessages,
        LIMITS.pageBytes,
        expected,
        filter,
        true,
      ),
    );
    const next = await inTime(read.then(found), deadlineAt);
    if (next === undefined) {
      break;
    }
    if (count > 0 && next.skipped !== undefined) {
      // Deleted since the page before: the call that goes on there says so.
      break;
    }
    page = whole(next);
    ({ epoch } = page);
    if (page.skipped !== undefined) {
      skipped = { from: skipped?.from ?? page.skipped.from, to: page.skipped.to };
    }
    const taken = take(page, matches, { messages: room, bytes: LIMITS.pageBytes - bytes });
    if (taken.text !== "") {
      texts.push(taken.text);
    }
    count += taken.count;
    bytes += taken.bytes;
    nextSequence = taken.last + 1;
    from = { sequence: nextSequence };
    pages += 1;
    if (taken.last < page.last) {
      break;
    }
  } while (nextSequence <= page.lastSequence && pages < MAX_SCANNED_PAGES && needsMore(count, limit, matches));
  if (page === undefined) {
    throw new RpcError("Unavailable", "the stream did not answer in time; nothing was done");
  }
  return { epoch: page.epoch, texts, nextSequence, lastSequence: page.lastSequence, skipped };
}

/** The result of a read; undefined when it takes too long, so that the pages before it can be returned. */
async function inTime<T>(read: Promise<T>, deadlineAt: number): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), deadlineAt - Date.now());
  try {
    return await Promise.race([read, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Without a filter one page with a message is enough; with a filter, pages are read up to the limit. */
function needsMore(count: number, limit: number, matches: unknown): boolean {
  return matches === undefined ? count === 0 : count < limit;
}

/** The messages of a page for the caller, and the last sequence that was examined. */
function take(
  page: Page,
  matches: ((subject: string | undefined) => boolean) | undefined,
  room: { messages: number; bytes: number },
) {
  if (matches === undefined) {
    // The stream applied the limits, and no page follows one that has a message.
    return { text: page.text, count: page.count, bytes: 0, last: page.last };
  }
  const taken: MessageText[] = [];
  let bytes = 0;
  for (const message of splitMessages(page.text)) {
    if (!matches(message.subject)) {
      continue;
    }
    const size = utf8Bytes(message.text);
    if (taken.length === room.messages || bytes + size > room.bytes) {
      return { text: joinMessages(taken), count: taken.length, bytes, last: message.sequence - 1 };
    }
    bytes += size;
    taken.push(message);
  }
  return { text: joinMessages(taken), count: taken.length, bytes, last: page.last };
}
