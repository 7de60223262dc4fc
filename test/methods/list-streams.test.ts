import { runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { directoryOf } from "../../src/internal/directory-calls.ts";
import { env } from "cloudflare:workers";
import { connect } from "../harness/client.ts";
import { postCall } from "../harness/http.ts";
import { evict, untilListed } from "../harness/objects.ts";
import { binding, failure } from "../harness/service.ts";

/** Makes streams, and waits until they are listed. */
async function made(...names: string[]) {
  const client = await connect();
  const streams = await Promise.all(
    names.map(async (stream) => {
      await client.call("publish", { stream, data: 1 });
      await untilListed(stream);
      const { epoch, createdAt } = await client.call("getStreamInfo", { stream });
      return { stream, epoch, createdAt };
    }),
  );
  return { client, streams };
}

it("lists streams with what getStreamInfo tells of them, over a socket, HTTP and a binding", async () => {
  const { client, streams } = await made("ways-1", "ways-2");
  const params = { prefix: "ways-" };

  expect(await client.call("listStreams", params)).toEqual({ streams });
  expect(await postCall("listStreams", params)).toMatchObject({ result: { streams } });
  expect(await binding().listStreams(params)).toEqual({ streams });
});

it("lists in the order of names, a page after the other, each stream once", async () => {
  const names = ["page-", "page-.a", "page-0", "page-A", "page-_", "page-a", "page-a.b"];
  const { client } = await made(...names.toReversed(), "pagf", "pag");

  const pages: string[][] = [];
  let after: string | undefined;
  do {
    const page = await client.call("listStreams", { prefix: "page-", limit: 3, ...(after && { after }) });
    pages.push(page.streams.map(({ stream }) => stream));
    ({ after } = page);
  } while (after !== undefined);

  expect(pages).toEqual([names.slice(0, 3), names.slice(3, 6), names.slice(6)]);
  expect(names.toSorted()).toEqual(["page-", "page-.a", "page-0", "page-A", "page-_", "page-a", "page-a.b"]);
});

it("says that a page is the last when it is just full", async () => {
  const { client, streams } = await made("full-1", "full-2");

  expect(await client.call("listStreams", { prefix: "full-", limit: 2 })).toEqual({ streams });
  expect(await client.call("listStreams", { prefix: "full-", after: "full-2" })).toEqual({ streams: [] });
});

it("lists no stream that was deleted, and one that was made again with its new epoch", async () => {
  const { client, streams } = await made("again");
  await client.call("deleteStream", { stream: "again" });
  const without = await client.call("listStreams", { prefix: "again" });
  const { streams: anew } = await made("again");

  expect(without).toEqual({ streams: [] });
  expect(await client.call("listStreams", { prefix: "again" })).toEqual({ streams: anew });
  expect(anew).not.toEqual(streams);
});

it("lists what it did with the Directory evicted", async () => {
  const { client, streams } = await made("evicted");
  await evict(directoryOf(env));

  expect(await client.call("listStreams", { prefix: "evicted" })).toEqual({ streams });
});

it("ends a page after so many deleted streams, with where to go on", async () => {
  const { client, streams } = await made("hidden-99999");
  await runInDurableObject(directoryOf(env), (_directory, { storage }) => {
    storage.sql.exec(`WITH RECURSIVE numbers (n) AS (SELECT 10000 UNION ALL SELECT n + 1 FROM numbers WHERE n < 25000)
      INSERT INTO streams (name, epoch, created_at, deletions, deleted_at) SELECT 'hidden-' || n, 'e', 1, 1, 2 FROM numbers`);
  });

  const first = await client.call("listStreams", { prefix: "hidden-", limit: 10 });
  const second = await client.call("listStreams", { prefix: "hidden-", limit: 10, after: first.after ?? "" });

  expect(first).toEqual({ streams: [], after: "hidden-20010" });
  expect(second).toEqual({ streams });
});

it.each([
  { limit: 0 },
  { limit: 1_001 },
  { prefix: "a/b" },
  { prefix: "a~" },
  { after: "" },
  { after: ".a" },
  { from: "a" },
])("refuses %o", async (params) => {
  expect(await postCall("listStreams", params)).toMatchObject({ error: { code: ErrorCode.InvalidParams } });
});

it("shows a binding to some streams those alone", async () => {
  const { streams } = await made("bound-mine", "bound-other");

  expect(await binding({ streams: ["bound-mine"] }).listStreams({ prefix: "bound-" })).toEqual({
    streams: streams.filter(({ stream }) => stream === "bound-mine"),
  });
});

it("tells a caller of a page that is just full nothing of the streams behind it that it may not read", async () => {
  const { client, streams } = await made("behind-a", "behind-a.other", "behind-b", "behind-c.other");
  const [a, , b] = streams;
  const caller = binding({ streams: ["behind-a", "behind-b"] });

  expect(await caller.listStreams({ prefix: "behind-a", limit: 1 })).toEqual({ streams: [a] });
  expect(await caller.listStreams({ prefix: "behind-", limit: 1 })).toEqual({ streams: [a], after: "behind-a" });
  expect(await caller.listStreams({ prefix: "behind-", limit: 1, after: "behind-a" })).toEqual({ streams: [b] });
  expect(await client.call("listStreams", { prefix: "behind-a", limit: 1 })).toMatchObject({ after: "behind-a" });
});

it("tells a caller no name that it may not read, not even where to go on", async () => {
  const { streams } = await made("aaa-mine");
  await runInDurableObject(directoryOf(env), (_directory, { storage }) => {
    storage.sql.exec(`WITH RECURSIVE numbers (n) AS (SELECT 10000 UNION ALL SELECT n + 1 FROM numbers WHERE n < 25000)
      INSERT INTO streams (name, epoch, created_at, deletions) SELECT 'other-' || n, 'e', 1, 1 FROM numbers`);
  });
  const caller = binding({ streams: ["aaa-mine"] });

  expect(await caller.listStreams()).toEqual({ streams, after: "aaa-mine" });
  expect(await failure(caller.listStreams({ after: "aaa-mine" }))).toMatchObject({ code: ErrorCode.LimitReached });
});
