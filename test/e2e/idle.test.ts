import { setTimeout as delay } from "node:timers/promises";

import { describe, expect } from "vitest";

import type { Client } from "./server/client.ts";
import { test as base } from "./server/fixtures.ts";

const STREAM = "quiet";
const SUBSCRIBERS = 100;

/**
 * The runtime evicts an object 10 s after its last event; before, the gateway's timer for its last check may run for
 * 8 s. Nothing but a ping can be asked meanwhile, as any question would wake what is to sleep: so this wait is a sleep.
 */
const EVICTED_BY_MS = 10_000 + 8_000 + 4_000;

const PING_EVERY_MS = 5_000;

/** One gateway holds them all. */
const test = base.extend({ options: { vars: { GATEWAY_SHARDS: "1" } } });

describe("an idle gateway and stream with a hundred subscribers", () => {
  test(
    "are evicted by the runtime while pings are answered, and delivery goes on",
    { timeout: 90_000 },
    async ({ connect }) => {
      const clients = await Promise.all(Array.from({ length: SUBSCRIBERS }, () => connect()));
      await Promise.all(clients.map((client) => client.call("subscribe", { stream: STREAM })));
      await publish(await connect(), "before");
      await Promise.all(clients.map((client) => client.untilMessages(1)));
      const startedAt = await gatewayStartedAt(clients[0]);

      for (let waitedMs = 0; waitedMs < EVICTED_BY_MS; waitedMs += PING_EVERY_MS) {
        await Promise.all(clients.map((client) => client.ping()));
        await delay(PING_EVERY_MS);
      }

      const publisher = await connect();
      await publish(publisher, "after");
      const received = await Promise.all(clients.map((client) => client.untilMessages(2)));
      expect(received).toEqual(clients.map(() => [1, 2]));
      // Read after the delivery, which was to wake the gateway by itself.
      const startedAgainAt = await gatewayStartedAt(clients[0]);
      expect(startedAgainAt).toBeGreaterThan(startedAt);
      expect(clients.filter((client) => client.closed !== undefined)).toEqual([]);
      // What was in flight before the eviction is still known, and can be acked.
      await Promise.all(clients.map((client) => client.call("ack", { subscription: 1, through: 2 })));
    },
  );
});

async function publish(client: Client, data: string): Promise<void> {
  await client.call("publish", { stream: STREAM, data });
}

async function gatewayStartedAt(client: Client | undefined): Promise<number> {
  const info = await client?.call("getServerInfo", {});
  return info?.connection?.gatewayStartedAt ?? NaN;
}
