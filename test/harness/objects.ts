import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { expect, vi } from "vitest";

import { KEEP_MS } from "../../src/gateway/streams/keeper.ts";
import type { Push } from "../../src/internal/calls.ts";
import type { TestClient } from "./client.ts";

/** The gateway that holds a client's socket. */
export async function gatewayOf(client: TestClient) {
  const { connection } = await client.call("getServerInfo", {});
  if (connection === undefined) {
    throw new Error("a socket without a connection");
  }
  return env.GATEWAY.getByName(connection.gateway);
}

/**
 * Puts an object to sleep as the runtime does, when no timer is pending: memory is lost, storage and sockets stay. One
 * that sleeps is left to.
 */
export async function evict(stub: Parameters<typeof evictDurableObject>[0]): Promise<void> {
  if (stub.name !== undefined && env.GATEWAY.idFromName(stub.name).equals(stub.id)) {
    await scheduler.wait(KEEP_MS + 10);
  }
  try {
    await evictDurableObject(stub, { webSockets: "hibernate" });
  } catch (error) {
    if (!(error instanceof Error && error.message.includes("not currently running"))) {
      throw error;
    }
  }
}

/** A push that says only how far the log of a stream goes. */
export function announcement(stream: string, epoch: string, last: number): Push {
  const at = { previous: last, previousPublishedAt: 0, first: last + 1, last, publishedAt: 0 };
  return { stream, epoch, ...at, count: 0, bytes: 0, text: "" };
}

/** The numbers from `first` to `last`. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
}

type Evict = (stream: string, client: TestClient) => Promise<void>;

const evictStream: Evict = async (stream) => evict(env.STREAM.getByName(stream));
const evictGateway: Evict = async (_stream, client) => evict(await gatewayOf(client));

/** What can sleep under a follower, each with how to put it to sleep; for `it.each`. */
export const EVICTIONS: readonly [name: string, evictNow: Evict][] = [
  ["stream", evictStream],
  ["gateway", evictGateway],
  [
    "stream and gateway",
    async (stream, client) => {
      await evictStream(stream, client);
      await evictGateway(stream, client);
    },
  ],
];

/** Waits until the Directory knows a stream, and lets the alarm find that: nothing of its creation is left to do then. */
export async function untilListed(stream: string): Promise<void> {
  await vi.waitFor(
    () =>
      runInDurableObject(env.STREAM.getByName(stream), (_stream, { storage }) => {
        const { epoch, listed } = storage.sql
          .exec<{ epoch: string; listed: string | null }>("SELECT epoch, listed_epoch AS listed FROM stream")
          .one();
        expect(listed).toBe(epoch);
      }),
    { interval: 2, timeout: 10_000 },
  );
  await runDurableObjectAlarm(env.STREAM.getByName(stream));
}
