import { Client, HTTPTransport, JSONRPCError, RequestManager, WebSocketTransport } from "@open-rpc/client-js";
import { describe, expect } from "vitest";
import { WebSocket } from "ws";

import { ErrorCode } from "../../../rpc/index.ts";
import { sharingServer } from "../server/fixtures.ts";
import { exercise, exerciseErrors, socketUrl, subprotocols } from "./interop.ts";
import type { Server } from "../server/server.ts";

const test = sharingServer();

// Its ids are numbers from 0. Its WebSocket transport has no place for credentials, neither headers nor subprotocols,
// so that its `connection` is replaced by one that has them. It gives errors out in its own class, with their code.
// Where params are left out it sends an empty list.
describe("@open-rpc/client-js", () => {
  test("publishes, follows and acks on a WebSocket", async ({ server }) => {
    await using peer = await connect(server);

    await exercise(peer);
  });

  test("sends batches, and gets each call's own answer", async ({ server }) => {
    await using peer = await connect(server);
    const { client } = peer;

    client.startBatch();
    const calls = [
      client.request({ method: "publish", params: { stream: "batch", data: 1 } }),
      client.request({ method: "getStreamInfo", params: { stream: "none" } }),
      client.request({ method: "getMessages", params: { stream: "batch" } }),
    ];
    client.stopBatch();
    const [published, missing, read] = await Promise.allSettled(calls);

    expect(published).toMatchObject({ status: "fulfilled", value: { sequence: 1 } });
    expect(missing).toMatchObject({ status: "rejected", reason: { code: ErrorCode.NotFound } });
    expect(read).toMatchObject({ status: "fulfilled", value: { messages: [{ sequence: 1 }] } });
  });

  test("calls over HTTP", async ({ server }) => {
    const headers = { Authorization: `Bearer ${server.apiKey}` };
    const client = new Client(new RequestManager([new HTTPTransport(`${server.url}/rpc`, { headers })]));
    const request = peerOf(client).request;
    await request("publish", { stream: "http", data: 1 });

    await exerciseErrors({ request, codeOf }, "http");
    expect(await request("subscribe", { stream: "http" }).catch(codeOf)).toBe(ErrorCode.NeedsSocket);
  });
});

async function connect(server: Server) {
  const transport = new WebSocketTransport("ws://127.0.0.1:1");
  transport.connection.on("error", () => undefined);
  transport.connection.terminate();
  transport.connection = new WebSocket(socketUrl(server), subprotocols(server));
  const client = new Client(new RequestManager([transport]));
  return { ...peerOf(client), client, [Symbol.asyncDispose]: async () => client.close() };
}

function peerOf(client: Client) {
  const heard: unknown[] = [];
  client.onNotification((notification: { params?: unknown }) => heard.push(notification.params));
  return {
    request: (method: string, params?: object): Promise<unknown> =>
      client.request(params === undefined ? { method } : { method, params }),
    notify: (method: string, params: object): Promise<unknown> => client.notify({ method, params }),
    codeOf,
    heard,
  };
}

function codeOf(thrown: unknown): unknown {
  return thrown instanceof JSONRPCError ? thrown.code : thrown;
}
