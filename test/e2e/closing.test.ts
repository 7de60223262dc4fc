import { describe, expect } from "vitest";

import { sharingServer } from "./server/fixtures.ts";
import { RawSocket } from "./server/raw-socket.ts";

/** RFC 6455 section 7.4.1. */
const PROTOCOL_ERROR = 1002;

/** One gateway, so that a test knows which sockets share it, and which does not wait long for the answer to a Close. */
const test = sharingServer({ vars: { GATEWAY_SHARDS: "1", CLOSE_MS: "1000" } });

const BINARY = 0x2;

describe("a peer's Close", () => {
  test("is answered with its own code", async ({ server }) => {
    for (const code of [1000, 1001, 1011, 1012, 3000, 4000, 4999]) {
      using socket = await RawSocket.open(server);

      socket.sendClose(code, "done");

      expect([code, await socket.closeCode()]).toEqual([code, code]);
      await socket.whenEnded();
    }
  });

  test("without a code, and one of 123 bytes of reason, is answered with 1000", async ({ server }) => {
    for (const [code, reason] of [
      [undefined, ""],
      [1000, "x".repeat(123)],
    ] as const) {
      using socket = await RawSocket.open(server);

      socket.sendClose(code, reason);

      expect(await socket.closeCode()).toBe(1000);
      await socket.whenEnded();
    }
  });

  // Each is a code that RFC 6455 section 7.4 reserves, or is outside its ranges. A literal 1005 is not here: the runtime
  // reports it like a Close without a code.
  test.for([0, 1, 999, 1004, 1006, 1015, 5000, 65_535])(
    "with the code %d, which none may send, is answered with 1002",
    async (code, { server }) => {
      using socket = await RawSocket.open(server);

      socket.sendClose(code);

      expect(await socket.closeCode()).toBe(PROTOCOL_ERROR);
      await socket.whenEnded();
    },
  );

  test("with a reason of more than 123 bytes is answered with 1002", async ({ server }) => {
    for (const reason of ["x".repeat(124), "é".repeat(62), "x".repeat(60_000)]) {
      using socket = await RawSocket.open(server);

      socket.sendClose(1000, reason);

      expect(await socket.closeCode()).toBe(PROTOCOL_ERROR);
      await socket.whenEnded();
    }
  });
});

describe("a peer that does not answer the server's Close", () => {
  test("is let go when its credentials were wrong, and when it was the gateway's last", async ({ server }) => {
    using unauthenticated = await RawSocket.open(server, { "Sec-WebSocket-Protocol": "durable-stream.v1" });
    using binary = await RawSocket.open(server);
    binary.send(BINARY, Buffer.from([1]));

    expect(await unauthenticated.closeCode()).toBe(4401);
    expect(await binary.closeCode()).toBe(1003);
    await Promise.all([unauthenticated.whenEnded(), binary.whenEnded()]);
  });

  test("takes nobody with it, and is let go after the last of the others", async ({ server, connect }) => {
    const client = await connect();
    using silent = await RawSocket.open(server);
    silent.send(BINARY, Buffer.from([1]));
    expect(await silent.closeCode()).toBe(1003);
    // Closed later, so that when it is gone the other's time is over as well.
    using later = await RawSocket.open(server, { "Sec-WebSocket-Protocol": "durable-stream.v1" });
    await later.whenEnded();

    expect(await client.call("publish", { stream: "others", data: 1 })).toMatchObject({ sequence: 1 });
    expect(client.closed).toBeUndefined();
    await client.close();
    await silent.whenEnded();
  });

  test("is not listened to any more", async ({ server, connect }) => {
    const client = await connect();
    using late = await RawSocket.open(server);
    late.send(BINARY, Buffer.from([1]));
    expect(await late.closeCode()).toBe(1003);

    late.sendText('{"jsonrpc":"2.0","method":"publish","params":{"stream":"late","data":"late"}}');
    late.sendClose(1003);
    await late.whenEnded();

    // Through the same gateway, which would have sent what came first on before.
    expect(await client.call("publish", { stream: "late", data: "in time" })).toMatchObject({ sequence: 1 });
  });
});
