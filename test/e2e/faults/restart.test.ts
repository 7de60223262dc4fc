import { describe, expect } from "vitest";

import { ErrorCode } from "../../../rpc/index.ts";

import { sharingServer } from "../server/fixtures.ts";
import type { Server } from "../server/server.ts";

let streams = 0;
const test = sharingServer().extend<{ stream: string }>({
  /** The name of a stream that no other test has. */
  // oxlint-disable-next-line no-empty-pattern
  stream: async ({}, use) => {
    streams += 1;
    await use(`stream-${streams}`);
  },
});

const endings: [how: string, end: (server: Server) => Promise<void>][] = [
  ["a crash", (server) => server.kill9()],
  ["a shutdown", (server) => server.stop()],
];

describe.for(endings)("a server started again after %s", ([, end]) => {
  test("goes on where the sequence was, also when everything was deleted", async ({ server, connect, stream }) => {
    const before = await connect();
    await before.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }, { data: 3 }] });
    const deleted = await before.call("deleteMessages", { stream, through: 3 });
    expect(deleted).toEqual({ epoch: expect.any(String), deleted: 3, firstSequence: 4, lastSequence: 3 });

    await end(server);
    await server.start();

    const after = await connect();
    const empty = await after.call("getMessages", { stream });
    expect(empty).toMatchObject({ messages: [], nextSequence: 4, lastSequence: 3 });
    expect(await after.call("publish", { stream, data: 4 })).toMatchObject({ sequence: 4, epoch: empty.epoch });
  });

  test("has the state and the checkpoint, and refuses a revision that is over", async ({ server, connect, stream }) => {
    const before = await connect();
    await before.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }, { data: 3 }] });
    await before.call("putState", { stream, state: { rows: 1 } });
    const checkpoint = await before.call("checkpoint", {
      stream,
      state: { rows: 2 },
      through: 2,
      expectedRevision: 1,
    });
    expect(checkpoint).toEqual({ epoch: expect.any(String), revision: 2, deleted: 2, firstSequence: 3 });

    await end(server);
    await server.start();

    const after = await connect();
    expect(await after.call("getState", { stream })).toEqual({
      epoch: expect.any(String),
      state: { rows: 2 },
      revision: 2,
    });
    const { messages } = await after.call("getMessages", { stream });
    expect(messages.map(({ sequence, data }) => [sequence, data])).toEqual([[3, 3]]);
    const refused = await after.callError("putState", { stream, state: null, expectedRevision: 1 });
    expect(refused).toMatchObject({ code: ErrorCode.Conflict, data: { revision: 2 } });
  });

  test("knows the ids of publishes, also of deleted ones", async ({ server, connect, stream }) => {
    const before = await connect();
    const single = { stream, data: "single", id: "id-1" };
    const batch = { stream, messages: [{ data: "a" }, { data: "b" }], id: "id-2" };
    const [storedSingle, storedBatch] = await Promise.all([
      before.call("publish", single),
      before.call("publishBatch", batch),
    ]);
    await before.call("deleteMessages", { stream, through: 1 });

    await end(server);
    await server.start();

    const after = await connect();
    expect(await after.call("publish", single)).toEqual({ ...storedSingle, duplicate: true });
    expect(await after.call("publishBatch", batch)).toEqual({ ...storedBatch, duplicate: true });
    expect(await after.call("publish", { ...single, id: "id-3" })).toMatchObject({ sequence: 4, duplicate: false });
  });

  test("has a stream's config, and its epoch is the same", async ({ server, connect, stream }) => {
    const before = await connect();
    const config = await before.call("configureStream", { stream, maxMessages: 2, discard: "new" });
    await before.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }] });
    const { gateways: _before, ...info } = await before.call("getStreamInfo", { stream });

    await end(server);
    await server.start();

    const after = await connect();
    const { gateways: _after, ...infoAfter } = await after.call("getStreamInfo", { stream });
    expect(infoAfter).toEqual({ ...info, config });
    const refused = await after.callError("publish", { stream, data: 3 });
    expect(refused.code).toBe(ErrorCode.LimitReached);
  });

  test("lets a subscriber resume at its epoch and sequence", async ({ server, connect, stream }) => {
    const publisher = await connect();
    const follower = await connect();
    const { epoch } = await follower.call("subscribe", { stream });
    await publisher.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }] });
    expect(await follower.untilMessages(2)).toEqual([1, 2]);
    await publisher.call("publish", { stream, data: 3 });

    await end(server);
    await follower.untilClosed();
    await server.start();

    const resumed = await connect();
    const subscribed = await resumed.call("subscribe", { stream, epoch, from: { sequence: 3 } });
    expect(subscribed).toMatchObject({ epoch, nextSequence: 3, lastSequence: 3 });
    await resumed.call("publish", { stream, data: 4 });
    expect(await resumed.untilMessages(2)).toEqual([3, 4]);
  });

  test("tells a subscriber that its stream was deleted and made again", async ({ server, connect, stream }) => {
    const before = await connect();
    const { epoch } = await before.call("publish", { stream, data: 1 });
    await before.call("deleteStream", { stream });

    await end(server);
    await server.start();

    const after = await connect();
    const { epoch: newEpoch, sequence } = await after.call("publish", { stream, data: 1 });
    const refused = await after.callError("subscribe", { stream, epoch, from: { sequence: 2 } });
    expect(sequence).toBe(1);
    expect(newEpoch).not.toBe(epoch);
    expect(refused).toMatchObject({ code: ErrorCode.EpochChanged, data: { epoch: newEpoch } });
  });
});
