import { randomUUID } from "node:crypto";

import { expect } from "vitest";

import { ErrorCode } from "../../../rpc/index.ts";
import type { Server } from "../server/server.ts";

/** How long a library may take for what should happen. */
const PATIENCE_MS = 15_000;

/** What the suite does with a library, in the library's own way. */
export type Peer = {
  request(method: string, params?: object): Promise<unknown>;
  notify(method: string, params: object): unknown;
  /** The code of what `request` rejected with. */
  codeOf(thrown: unknown): unknown;
  /** The params of every notification so far. */
  heard: unknown[];
};

/** The subprotocols by which a client that can set no header says its key. */
export function subprotocols({ apiKey }: Server): string[] {
  return ["durable-stream.v1", `bearer.${Buffer.from(apiKey).toString("base64url")}`];
}

/** Where a server's sockets are. */
export function socketUrl({ url }: Server): string {
  return `${url.replace("http", "ws")}/rpc`;
}

/**
 * Publishes, subscribes, acks by a notification, gets errors and reads their codes, and leaves params out. The window
 * is one message, so that the second comes only if the ack of the first was understood.
 */
export async function exercise(peer: Peer): Promise<void> {
  const stream = `interop-${randomUUID()}`;

  expect(await peer.request("publish", { stream, data: { text: "één" } })).toMatchObject({ stream, sequence: 1 });
  expect(await peer.request("publish", { stream, data: null, id: "2" })).toMatchObject({ sequence: 2 });
  const subscribed = await peer.request("subscribe", { stream, maxInFlight: 1 });
  const { subscription } = subscribed as { subscription: number };
  await untilHeard(peer, 1);
  peer.notify("ack", { subscription, through: 1 });
  await untilHeard(peer, 2);

  expect(peer.heard).toMatchObject([
    { subscription, stream, previous: 0, messages: [{ sequence: 1, data: { text: "één" } }] },
    { subscription, stream, previous: 1, messages: [{ sequence: 2, data: null, id: "2" }] },
  ]);
  await exerciseErrors(peer, stream);
}

/** The part of {@link exercise} that needs no socket. `stream` has messages. */
export async function exerciseErrors(peer: Omit<Peer, "notify" | "heard">, stream: string): Promise<void> {
  const codeOf = async (method: string, params?: object): Promise<unknown> =>
    peer.request(method, params).then((result) => ({ result }), peer.codeOf);

  expect(await codeOf("publish", { stream, data: 1, expect: { lastSequence: 0 } })).toBe(ErrorCode.Conflict);
  expect(await codeOf("getStreamInfo", { stream: "interop-never-used" })).toBe(ErrorCode.NotFound);
  expect(await codeOf("publish", { stream })).toBe(ErrorCode.InvalidParams);
  expect(await codeOf("publish")).toBe(ErrorCode.InvalidParams);
  expect(await codeOf("noSuchMethod", {})).toBe(ErrorCode.MethodNotFound);
  expect(await peer.request("getServerInfo")).toMatchObject({ name: "durable-stream" });
}

/** Waits until so many notifications came: their arrival fills an array, of which a library tells nobody. */
async function untilHeard(peer: Peer, count: number): Promise<void> {
  await expect.poll(() => peer.heard.length, { timeout: PATIENCE_MS, interval: 5 }).toBeGreaterThanOrEqual(count);
}
