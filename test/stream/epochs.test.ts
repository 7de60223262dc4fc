import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";

import { connect } from "../harness/client.ts";
import { streamWithConsumer } from "../harness/consumers.ts";
import { faultGateway, faultStream } from "../harness/faults.ts";
import { announcement } from "../harness/objects.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** Holds up the first answer to a follow until it is let go. */
async function holdFirstFollow() {
  const held = { isAsked: false, isReleased: false };
  await faultStream("follow", async (follow, ...args) => {
    const start = follow(...args);
    if (!held.isAsked) {
      held.isAsked = true;
      // A promise of the test can not be awaited in an object.
      while (!held.isReleased) {
        await scheduler.wait(5);
      }
    }
    return start;
  });
  return {
    untilAsked: () => vi.waitFor(() => expect(held.isAsked).toBe(true), 10_000),
    release: () => {
      held.isReleased = true;
    },
  };
}

it("follows the epoch of a stream that there is, when the answer of an earlier one comes after", async () => {
  const stream = "late-answer";
  const client = await connect();
  await client.call("publish", { stream, data: "old" });
  const held = await holdFirstFollow();
  const earlier = client.call("subscribe", { stream });
  await held.untilAsked();
  await client.call("deleteStream", { stream });
  await client.call("publish", { stream, data: "new" });

  const living = await client.call("subscribe", { stream });
  await client.untilMessages(1, living.subscription);
  held.release();
  const over = await earlier;
  const closed = await client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");
  await client.call("publish", { stream, data: "newer" });
  await client.untilMessages(2, living.subscription);

  expect(over.epoch).not.toBe(living.epoch);
  expect(client.of("subscriptionClosed")).toEqual([closed]);
  expect(closed).toEqual({ subscription: over.subscription, reason: "streamDeleted" });
  expect(client.sequences(over.subscription)).toEqual([]);
  expect(
    client.of("messages", living.subscription).flatMap(({ messages }) => messages.map(({ data }) => data)),
  ).toEqual(["new", "newer"]);
});

it("tells a subscription that the epoch it begins in is over, when that came before its answer", async () => {
  const stream = "over-before-answer";
  const client = await connect();
  await client.call("publish", { stream, data: 1 });
  const held = await holdFirstFollow();
  // From what comes next, so that nothing is read by which it would show.
  const subscribed = client.call("subscribe", { stream, from: "new" });
  await held.untilAsked();

  await client.call("deleteStream", { stream });
  // Calls keep their order: by the answer to this one the gateway was told of the deletion.
  await env.STREAM.getByName(stream).info();
  held.release();
  const { subscription } = await subscribed;

  const closed = await client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");
  expect(closed).toEqual({ subscription, reason: "streamDeleted" });
});

it("keeps how far a new epoch was pushed while its subscribe is answered, whatever comes of an earlier one", async () => {
  const stream = "pushes-of-two-epochs";
  const client = await connect();
  const { epoch } = await client.call("publish", { stream, data: "old" });
  await client.call("deleteStream", { stream });
  await client.call("publish", { stream, data: 1 });
  const seen = { push: false };
  await faultGateway("deliver", (deliver, pushed) => {
    const isInterested = deliver(pushed);
    if (pushed.stream === stream && !seen.push) {
      seen.push = true;
      // One that was held up since the epoch before.
      deliver(announcement(stream, epoch, 1));
    }
    return isInterested;
  });
  let isFirst = true;
  await faultStream("follow", async function (follow, ...args) {
    const start = follow(...args);
    if (isFirst) {
      isFirst = false;
      void this.publish({ stream, bodies: ['"data":2}'], bytes: [9], counts: [1] });
      while (!seen.push) {
        await scheduler.wait(5);
      }
    }
    return start;
  });

  const { subscription, lastSequence } = await client.call("subscribe", { stream, from: { sequence: 2 } });
  await client.untilMessages(1, subscription);

  expect(lastSequence).toBe(1);
  expect(client.sequences(subscription)).toEqual([2]);
});

it("tells a subscription of a consumer that its stream is over, when that came before its answer", async () => {
  const stream = "consumer-over-before-answer";
  const client = await connect();
  await streamWithConsumer(client, stream, 0);
  await faultStream("joinConsumer", async (join, call) => {
    const joined = await join(call);
    if ("epoch" in joined) {
      await env.GATEWAY.getByName(call.gateway).streamEnded(stream, joined.epoch, "streamDeleted");
    }
    return joined;
  });

  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });

  const closed = await client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");
  expect(closed).toEqual({ subscription, reason: "streamDeleted" });
  expect((await client.callError("ack", { subscription, sequences: [1] })).data).toEqual({ what: "subscription" });
});
