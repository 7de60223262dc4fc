import { expect, it } from "vitest";

import { LIMITS } from "../../rpc/index.ts";
import { Outgoing } from "../../src/gateway/outgoing.ts";
import { SocketBuffers } from "../../src/gateway/socket-buffers.ts";
import { Share } from "../../src/platform/isolate-budget.ts";
import { Answer } from "../../src/json-rpc/answer.ts";
import { overrideWait } from "../harness/waits.ts";

const NEVER_MS = 3_600_000;
/** What a call of few bytes reserves. */
const SMALL_BYTES = 65_536;

/** A socket that was sent text of which its client reads nothing before it accepts. */
function unread(name: string, bytes: number) {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  const buffers = new SocketBuffers(
    name,
    () => [],
    () => undefined,
  );
  const outgoing = new Outgoing(server, () => 0, buffers);
  outgoing.send("x".repeat(bytes));
  const room = (more: number = LIMITS.pageBytes) => outgoing.reserve(more, new Answer(false));
  return { client, server, outgoing, room };
}

it("lets a large answer that found no room be followed by others only when more was read", async () => {
  const { client, server, outgoing, room } = unread("in-vain", LIMITS.outgoingCloseBytes);
  overrideWait("ROOM_WAIT_MS", 10);
  expect(await room()).toMatchObject({ data: { what: "outgoingCloseBytes" } });

  overrideWait("ROOM_WAIT_MS", NEVER_MS);
  // What is sent since was not read either.
  outgoing.send("y".repeat(1_000));
  expect(await Promise.all([room(), room()])).toEqual([expect.any(Error), expect.any(Error)]);

  client.accept();
  await expect.poll(() => server.bufferedAmount).toBe(0);
  expect(await room()).toBeUndefined();
});

it("has room for a small answer where a page finds none", async () => {
  const { room } = unread("small", (LIMITS.outgoingCloseBytes * 3) / 8);
  overrideWait("ROOM_WAIT_MS", 10);
  expect(await room()).toBeInstanceOf(Error);

  expect(await room(SMALL_BYTES)).toBeUndefined();
});

it("counts what frames take that are not read, beside their text", async () => {
  const { client, server, outgoing } = unread("frames", 1_000_000);
  expect(outgoing.isOverrun).toBe(false);

  for (let frame = 0; frame < 10_000; frame += 1) {
    outgoing.send("y".repeat(100));
  }
  expect(outgoing.isOverrun).toBe(true);

  client.accept();
  await expect.poll(() => server.bufferedAmount).toBe(0);
  expect(outgoing.unreadBytes).toBe(0);
  // What was read does not count any more.
  outgoing.send("z".repeat(1_000_000));
  expect(outgoing.isOverrun).toBe(false);
});

it("is overrun by less when nothing was read for a while and others need the room", async () => {
  const { outgoing } = unread("stuck", (LIMITS.outgoingCloseBytes * 3) / 8);
  overrideWait("ROOM_WAIT_MS", 10);
  expect(outgoing.isOverrun).toBe(false);
  const others = Share.ofObject("others");

  others.set(LIMITS.isolateBytes / 2);
  await expect.poll(() => outgoing.isOverrun).toBe(true);
  others.set(0);

  expect(outgoing.isOverrun).toBe(false);
});

it("is not overrun by less while its client reads", async () => {
  const { outgoing } = unread("reading", LIMITS.outgoingPauseBytes / 2);
  overrideWait("ROOM_WAIT_MS", 0);
  const others = Share.ofObject("others");
  others.set(LIMITS.isolateBytes / 2);

  expect(outgoing.isOverrun).toBe(false);
  others.set(0);
});
