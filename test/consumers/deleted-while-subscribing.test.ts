import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import { ErrorCode, LIMITS } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import { streamWithConsumer } from "../harness/consumers.ts";
import { faultStream } from "../harness/faults.ts";
import { gatewayOf } from "../harness/objects.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

it("tells of a consumer that was deleted before its subscribe was answered, and keeps nothing of the subscription", async () => {
  const stream = "overtaken";
  const client = await connect();
  await streamWithConsumer(client, stream, 0);
  await faultStream("joinConsumer", async (join, call) => {
    const joined = await join(call);
    await env.GATEWAY.getByName(call.gateway).consumerDeleted([call.holder]);
    return joined;
  });

  const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
  const closed = await client.until(() => client.of("subscriptionClosed")[0], "subscriptionClosed");
  vi.restoreAllMocks();
  const acked = await client.callError("ack", { subscription, sequences: [1] });
  const kept = await runInDurableObject(await gatewayOf(client), (_gateway, { storage }) =>
    storage.sql.exec("SELECT holder FROM consumer_subscriptions").toArray(),
  );
  // Half of them at a time: more requests than that in flight are Busy.
  const subscribeHalf = () =>
    Promise.all(Array.from({ length: LIMITS.subscriptions / 2 }, () => client.request("subscribe", { stream })));
  const others = [...(await subscribeHalf()), ...(await subscribeHalf())];
  const oneMore = await client.callError("subscribe", { stream });

  expect(closed).toEqual({ subscription, reason: "consumerDeleted" });
  expect(acked.data).toEqual({ what: "subscription" });
  expect(kept).toEqual([]);
  // The subscription that is gone takes none of the places of a socket.
  expect(others.filter(({ error }) => error !== undefined)).toEqual([]);
  expect(oneMore.code).toBe(ErrorCode.LimitReached);
});
