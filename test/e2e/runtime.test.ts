/**
 * What the runtime makes of frames, where it does not do as RFC 6455 says or as this project asks it to. SECURITY.md
 * tells each of these: one that changes is to be told otherwise there.
 */
import { deflateRawSync } from "node:zlib";

import { describe, expect } from "vitest";

import { sharingServer } from "./server/fixtures.ts";
import { RawSocket } from "./server/raw-socket.ts";
import type { Server } from "./server/server.ts";

const test = sharingServer();

const INFO = '{"jsonrpc":"2.0","id":1,"method":"getServerInfo"}';
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;
const TEXT = 0x1;
/** The reserved bit that marks a compressed message (RFC 7692 section 6). */
const COMPRESSED = 0x40;

const DEFLATE = { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" };

function open({ url, apiKey }: Server, headers: Record<string, string> = {}): Promise<RawSocket> {
  return RawSocket.open({ url, apiKey }, { Authorization: `Bearer ${apiKey}`, ...headers });
}

test("permessage-deflate is not negotiated: a compressed frame is a protocol error", async ({ server }) => {
  using socket = await open(server, DEFLATE);

  socket.send(COMPRESSED | TEXT, deflateRawSync(INFO));

  expect(socket.head).not.toMatch(/sec-websocket-extensions/i);
  expect(await socket.closeCode()).toBe(1002);
});

describe("the runtime", () => {
  test("carries out frames that are not masked, where section 5.1 wants a Close", async ({ server }) => {
    using socket = await open(server);

    socket.sendText(INFO, { isMasked: false });

    expect(JSON.parse((await socket.nextText()) ?? "")).toMatchObject({ id: 1, result: { name: "durable-stream" } });
  });

  test("gives U+FFFD for bytes that are not UTF-8, where section 8.1 wants a Close", async ({ server, connect }) => {
    using socket = await open(server);
    const [before, after] = ['{"jsonrpc":"2.0","id":1,"method":"publish","params":{"stream":"bytes","data":"', '"}}'];
    const client = await connect();

    socket.sendText(Buffer.concat([Buffer.from(before), Buffer.from([0xff, 0xc0, 0x80]), Buffer.from(after)]));
    await socket.nextText();
    const { messages } = await client.call("getMessages", { stream: "bytes" });

    expect(messages.map(({ data }) => data)).toEqual(["\ufffd\ufffd\ufffd"]);
  });

  test("answers a ping of more than 125 bytes, where section 5.5 wants none", async ({ server }) => {
    using socket = await open(server);

    socket.send(PING, Buffer.alloc(126));

    expect(await socket.next()).toEqual({ opcode: PONG, payload: Buffer.alloc(126) });
  });

  test("tells no Close of one byte, of the code 1005, or of a reason that is not UTF-8 from others", async ({
    server,
  }) => {
    const bodies = [[0x03], [0x03, 0xed], [0x03, 0xe8, 0xff]];
    for (const body of bodies) {
      using socket = await open(server);

      socket.send(CLOSE, Buffer.from(body));

      expect([body, await socket.closeCode()]).toEqual([body, 1000]);
    }
  });

  test("closes with 1002 what is otherwise no frame", async ({ server }) => {
    // A compressed one that was not negotiated, reserved bits, reserved opcodes, a continuation of nothing.
    for (const first of [COMPRESSED | TEXT, 0x20 | TEXT, 0x10 | TEXT, 0x3, 0xb, 0x0]) {
      using socket = await open(server);

      socket.send(first, Buffer.from(INFO));

      expect([first, await socket.closeCode()]).toEqual([first, 1002]);
    }
  });
});
