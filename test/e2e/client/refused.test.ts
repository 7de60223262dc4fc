import { expect, inject } from "vitest";
import { WebSocket as WsPackage } from "ws";

import { DurableStream } from "../../../rpc/client.ts";
import type { WebSocketConstructor } from "../../../rpc/client.ts";

import { test } from "../server/fixtures.ts";
import { Server } from "../server/server.ts";

const READ = { stream: "s" };

/** What a browser does is what the global one does: it shows neither the status of a handshake nor why it failed. */
const implementations: [name: string, WebSocket: WebSocketConstructor][] = [
  ["the global WebSocket", globalThis.WebSocket],
  ["the package ws", WsPackage],
];

/** A call of each kind, all made before there is a connection. */
function firstCalls(client: DurableStream): Promise<PromiseSettledResult<object>[]> {
  return Promise.allSettled([
    client.publish({ stream: "s", data: 1 }),
    client.putState({ stream: "s", state: 1 }),
    client.getState(READ),
  ]);
}

test.for(implementations)(
  "says Unauthenticated to each call with a wrong key, by %s",
  async ([, WebSocket], { server }) => {
    await using client = new DurableStream({ url: server.url, token: "wrong", WebSocket });

    const first = await firstCalls(client);
    const then = await firstCalls(client);

    for (const call of [...first, ...then]) {
      const reason = {
        name: "Unauthenticated",
        message: "the server does not take this token: the key is not the server's",
      };
      expect(call).toMatchObject({ status: "rejected", reason });
    }
  },
);

test.for(implementations)(
  "says at once that there is nothing at the path of its URL, by %s",
  async ([, WebSocket], { server }) => {
    const url = new URL("/stream/no%20name", server.url);
    await using client = new DurableStream({ url, token: server.apiKey, WebSocket });

    const first = await firstCalls(client);
    const then = await firstCalls(client);

    for (const call of [...first, ...then]) {
      const message = expect.stringContaining("the stream in the path has to be named by");
      expect(call).toMatchObject({ status: "rejected", reason: { name: "NotFound", message } });
    }
  },
);

test.for(implementations)(
  "says why there was no connection to a server that is down, by %s",
  async ([, WebSocket], { server }) => {
    const { url, apiKey: token } = server;
    await server.stop();
    await using client = new DurableStream({ url, token, WebSocket, timeoutMs: 500, publishTimeoutMs: 500 });

    for (const call of await firstCalls(client)) {
      const message = expect.stringContaining("connection failed");
      const cause = { name: "Unavailable", message };
      expect(call).toMatchObject({ status: "rejected", reason: { name: "Unavailable", message, cause } });
    }
    await expect(client.subscribe(READ, { timeoutMs: 100 }).ready).rejects.toMatchObject({
      name: "Unavailable",
      message: expect.stringMatching(
        /^subscribe was not answered within 100 ms, without a connection \(the connection failed/,
      ),
      cause: { name: "Unavailable" },
    });
  },
);

test.for(implementations)("says at once that the server has no key, by %s", async ([, WebSocket], { data }) => {
  await using server = new Server({ worker: inject("worker"), data, apiKey: "" });
  await server.start();
  await using client = new DurableStream({ url: server.url, token: "key", WebSocket });

  for (const call of await firstCalls(client)) {
    const reason = { name: "Unavailable", message: "no API_KEY is configured" };
    expect(call).toMatchObject({ status: "rejected", reason });
  }
});
