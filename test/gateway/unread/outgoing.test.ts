import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, onTestFinished } from "vitest";

import { CloseCode, LIMITS } from "../../../rpc/index.ts";
import { Outgoing } from "../../../src/gateway/unread/outgoing.ts";
import type { Gateway } from "../../../src/gateway/gateway.ts";
import { SocketBuffers } from "../../../src/gateway/unread/socket-buffers.ts";
import { UnreadFrames } from "../../../src/gateway/unread/unread-frames.ts";
import { Answer } from "../../../src/json-rpc/answer.ts";
import { Share } from "../../../src/platform/isolate-budget.ts";
import { overrideWait } from "../../harness/waits.ts";

const NEVER_MS = 3_600_000;
/** What a call of few bytes reserves. */
const SMALL_BYTES = 65_536;

/** The buffers of a gateway that has counted so many bytes unread. */
function buffersOf(name: string, unreadBytes: number): SocketBuffers {
  const open = () => [{ outgoing: { unreadBytes, madeBytes: 0 } }];
  const buffers = new SocketBuffers(name, { open, closed: { bytes: 0 } }, () => undefined);
  buffers.count();
  return buffers;
}

/** A socket that was sent text, `unacked` of it messages, of which its client reads nothing before it accepts. */
function unread(name: string, bytes: number, unacked = 0) {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  const buffers = buffersOf(name, 0);
  const outgoing = new Outgoing(server, () => unacked, buffers);
  outgoing.send("x".repeat(bytes));
  const room = (more: number = LIMITS.pageBytes) => outgoing.reserve(more, new Answer(false));
  return { client, server, outgoing, room };
}

it("lets a large answer that found no room be followed by others only when more was read", async () => {
  const { client, server, outgoing, room } = unread("in-vain", LIMITS.outgoingCloseBytes);
  overrideWait("ROOM_WAIT_MS", 10);
  expect(outgoing.refusalOf(LIMITS.pageBytes)).toBeUndefined();
  expect(await room()).toMatchObject({ data: { what: "outgoingCloseBytes" } });

  overrideWait("ROOM_WAIT_MS", NEVER_MS);
  expect(outgoing.refusalOf(LIMITS.pageBytes)).toMatchObject({ data: { what: "outgoingCloseBytes" } });
  // What is sent since was not read either.
  outgoing.send("y".repeat(1_000));
  expect(await Promise.all([room(), room()])).toEqual([expect.any(Error), expect.any(Error)]);

  client.accept();
  await expect.poll(() => server.bufferedAmount).toBe(0);
  expect(outgoing.refusalOf(LIMITS.pageBytes)).toBeUndefined();
  expect(await room()).toBeUndefined();
});

it("has room for a small answer where a page finds none", async () => {
  const { outgoing, room } = unread("small", (LIMITS.outgoingCloseBytes * 3) / 8);
  overrideWait("ROOM_WAIT_MS", 10);
  expect(await room()).toBeInstanceOf(Error);

  expect(outgoing.refusalOf(SMALL_BYTES)).toBeUndefined();
  expect(await room(SMALL_BYTES)).toBeUndefined();
});

it.each([
  ["awaits the first acks of a client that reads", "told", true],
  ["awaits none when what the runtime tells bounds alone", "alone", false],
])("%s", async (_name, bound, isPaused) => {
  Reflect.set(env, "BUFFERED_AMOUNT", bound);
  onTestFinished(() => void Reflect.deleteProperty(env, "BUFFERED_AMOUNT"));
  const bytes = LIMITS.outgoingPauseBytes + 1;
  const { client, server, outgoing } = unread(`acks-${bound}`, bytes, bytes);
  expect(outgoing.isPaused).toBe(true);

  client.accept();
  await expect.poll(() => server.bufferedAmount).toBe(0);

  expect(outgoing.isPaused).toBe(isPaused);
});

describe("frames that are small", () => {
  const many = (LIMITS.outgoingCloseBytes * 3) / 4 / 1_024 + 1;

  it("are much when nothing of them was read for a while, and not at once", async () => {
    const { client, server, outgoing } = unread("frames", 1);
    overrideWait("ROOM_WAIT_MS", NEVER_MS);
    sendFrames(outgoing, many);
    expect(outgoing.isOverrun).toBe(false);

    overrideWait("ROOM_WAIT_MS", 10);
    await expect.poll(() => outgoing.isOverrun).toBe(true);

    client.accept();
    await expect.poll(() => server.bufferedAmount).toBe(0);
    // What was read does not count any more.
    sendFrames(outgoing, 1);
    await scheduler.wait(50);
    expect(outgoing.isOverrun).toBe(false);
  });

  it("are much at once when they are more than those of all calls that may be open", () => {
    const { outgoing } = unread("more-frames", 1);
    overrideWait("ROOM_WAIT_MS", NEVER_MS);
    sendFrames(outgoing, 2 * LIMITS.requestsInFlight);
    expect(outgoing.isOverrun).toBe(false);

    sendFrames(outgoing, 2 * LIMITS.requestsInFlight);
    expect(outgoing.isOverrun).toBe(true);
  });
});

it("does not count frames that were read while those behind them are not", async () => {
  const unreadFrames = new UnreadFrames();
  for (let frame = 0; frame < 5_000; frame += 1) {
    unreadFrames.sent(100);
  }
  unreadFrames.buffered(500_000);
  expect(unreadFrames.bytes).toBeGreaterThan(5_000_000);
  await expect.poll(() => unreadFrames.stuckMs).toBeGreaterThan(100);

  unreadFrames.sent(1_000_000);
  unreadFrames.buffered(1_000_000);

  // Frames between two marks count as unread.
  expect(unreadFrames.bytes).toBeLessThan(1_200_000);
  expect(unreadFrames.stuckMs).toBeLessThan(100);
});

describe("a little of which nothing was read", () => {
  it("is much when the sockets of the isolate have half of it unread", async () => {
    const { outgoing } = unread("crowded", 100_000);
    overrideWait("ROOM_WAIT_MS", 1);

    expect(outgoing.isOverrun).toBe(false);
    buffersOf("crowding", LIMITS.isolateBytes / 2 + 1);
    await expect.poll(() => outgoing.isOverrun).toBe(true);
    buffersOf("crowding", 0);
    expect(outgoing.isOverrun).toBe(false);
  });

  it("is little when it is publishes that fill the isolate", async () => {
    const { outgoing } = unread("published", 100_000);
    overrideWait("ROOM_WAIT_MS", 1);
    const publishes = new Share();
    onTestFinished(() => publishes.set(0));
    publishes.take(LIMITS.isolateBytes / 2 + 1);

    expect(outgoing.isOverrun).toBe(false);
    await scheduler.wait(50);
    expect(outgoing.isOverrun).toBe(false);
  });

  it("is much when closed sockets keep as much for peers that stay", async () => {
    const { outgoing } = unread("beside-closed", 100_000);
    overrideWait("ROOM_WAIT_MS", NEVER_MS);
    const clients = await askUnread("closed", 3, 9);
    overrideWait("ROOM_WAIT_MS", 1);
    await expect.poll(() => closedByAlarm("closed")).toBe(9);
    await expect.poll(() => outgoing.isOverrun).toBe(true);

    clients.forEach((client) => client.accept());
    await expect.poll(() => socketsOf("closed", () => true)).toBe(0);
    expect(outgoing.isOverrun).toBe(false);
  });
});

describe("a gateway whose client does not read and does not ask any more", () => {
  it("closes its socket when it looks after it", async () => {
    overrideWait("ROOM_WAIT_MS", NEVER_MS);
    const [client] = await askUnread("quiet", 3);
    expect(await closedByAlarm("quiet")).toBe(0);

    overrideWait("ROOM_WAIT_MS", 1);
    await expect.poll(() => closedByAlarm("quiet")).toBe(1);
    const closed = new Promise<CloseEvent>((resolve) => client?.addEventListener("close", resolve));
    client?.accept();

    expect((await closed).code).toBe(CloseCode.SlowReader);
  });

  it("leaves a socket alone of which less is unread", async () => {
    overrideWait("ROOM_WAIT_MS", 1);
    const [client] = await askUnread("less", 2);

    expect(await closedByAlarm("less")).toBe(0);
    await scheduler.wait(50);
    expect(await closedByAlarm("less")).toBe(0);
    client?.accept();
  });
});

/** Asks a gateway of its own by sockets that read nothing, for so many megabytes of answers each. */
async function askUnread(name: string, megabytes: number, sockets = 1): Promise<WebSocket[]> {
  const stub = env.GATEWAY.getByName(name);
  const open = async () => {
    const { webSocket } = await stub.fetch("http://stream.test/rpc", { headers: { Upgrade: "websocket" } });
    return webSocket ?? expect.fail("the handshake was refused");
  };
  const clients = await Promise.all(Array.from({ length: sockets }, open));
  const call = JSON.stringify({ jsonrpc: "2.0", id: "x".repeat(100_000), method: "getServerInfo" });
  await runInDurableObject(stub, async (gateway: Gateway, ctx) => {
    for (let asked = 0; asked < megabytes * 10; asked += 1) {
      await Promise.all(ctx.getWebSockets().map(async (ws) => gateway.webSocketMessage(ws, call)));
    }
  });
  return clients;
}

/** How many of its sockets a gateway has sent its Close when its alarm is over, which it has set. */
async function closedByAlarm(name: string): Promise<number> {
  expect(await runDurableObjectAlarm(env.GATEWAY.getByName(name))).toBe(true);
  return socketsOf(name, ({ readyState }) => readyState !== WebSocket.OPEN);
}

/** How many sockets a gateway has that are so. */
async function socketsOf(name: string, isSo: (ws: WebSocket) => boolean): Promise<number> {
  return runInDurableObject(env.GATEWAY.getByName(name), (_gateway, ctx) => ctx.getWebSockets().filter(isSo).length);
}

function sendFrames(outgoing: Outgoing, count: number, frame = "y"): void {
  for (let sent = 0; sent < count; sent += 1) {
    outgoing.send(frame);
  }
}
