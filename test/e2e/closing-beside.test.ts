import { describe, expect } from "vitest";
import { WebSocket } from "ws";

import { DurableStream } from "../../rpc/client.ts";

import { Client } from "./server/client.ts";
import { sharingServer, test as base } from "./server/fixtures.ts";
import { RawSocket } from "./server/raw-socket.ts";

const BINARY = 0x2;

describe("at a gateway that does not wait for hours", () => {
  const test = sharingServer({ vars: { GATEWAY_SHARDS: "1", CLOSE_MS: "500", UNANSWERED_MS: "1000" } });

  test("a peer that answers no Close is let go in the end, though others stay: their clients connect again", async ({
    server,
  }) => {
    const states: string[] = [];
    const onState = ({ state }: { state: string }) => states.push(state);
    const reconnect = { leastMs: 10, mostMs: 10 };
    await using client = new DurableStream({ url: server.url, token: server.apiKey, WebSocket, reconnect, onState });
    await client.publish({ stream: "beside", data: 1 });
    using silent = await RawSocket.open(server);
    silent.send(BINARY, Buffer.from([1]));
    expect(await silent.closeCode()).toBe(1003);

    await silent.whenEnded();

    expect(await client.publish({ stream: "beside", data: 2 })).toMatchObject({ sequence: 2 });
    expect(states.filter((state) => state === "open")).toHaveLength(2);
  });
});

describe("at one that does", () => {
  const test = base.extend({ options: { vars: { GATEWAY_SHARDS: "1", CLOSE_MS: "100" } } });

  test("peers that keep half of an isolate unread are let go at once, and others connect again", async ({ server }) => {
    const states: string[] = [];
    const opened = Promise.withResolvers<void>();
    const onState = ({ state }: { state: string }) => {
      states.push(state);
      if (states.filter((each) => each === "open").length === 2) {
        opened.resolve();
      }
    };
    const reconnect = { leastMs: 10, mostMs: 10 };
    await using client = new DurableStream({ url: server.url, token: server.apiKey, WebSocket, reconnect, onState });
    await client.publish({ stream: "beside-unread", data: 1 });
    // Each answer has its id: 4 MiB of them are unread once the operating systems hold some more.
    const call = JSON.stringify({ jsonrpc: "2.0", id: "x".repeat(500_000), method: "getServerInfo" });

    const unread = await Promise.all(Array.from({ length: 8 }, () => Client.connect(server)));
    for (const each of unread) {
      each.pause();
      for (let sent = 0; sent < 30; sent += 1) {
        each.send(call);
      }
    }
    await opened.promise;

    expect(await client.publish({ stream: "beside-unread", data: 2 })).toMatchObject({ sequence: 2 });
    unread.forEach((each) => each.terminate());
  });
});
