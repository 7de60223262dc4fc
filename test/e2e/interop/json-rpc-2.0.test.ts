import { once } from "node:events";

import { JSONRPCClient, JSONRPCErrorException, JSONRPCServer, JSONRPCServerAndClient } from "json-rpc-2.0";
import { describe, expect } from "vitest";
import { WebSocket } from "ws";

import { ErrorCode } from "../../../rpc/index.ts";
import { sharingServer } from "../server/fixtures.ts";
import { exercise, socketUrl, subprotocols } from "./interop.ts";
import type { Server } from "../server/server.ts";

const test = sharingServer();

describe("json-rpc-2.0", () => {
  test("has ids of its own, numbers from 1", async ({ server }) => {
    await run(server);
  });

  test.for([
    ["strings", (call: number) => `call ${call}`],
    ["numbers from 0", (call: number) => call],
  ] as const)("has ids that are %s", async ([, idOf], { server }) => {
    let calls = 0;
    await run(server, () => {
      calls += 1;
      return idOf(calls - 1);
    });
  });

  test("sends batches, of which notifications are not answered", async ({ server }) => {
    const { rpc, close } = await connect(server);
    const answers = await rpc.requestAdvanced([
      { ...publishing(1), id: 0 },
      { ...publishing(2), id: "two" },
      { jsonrpc: "2.0", method: "getStreamInfo", params: { stream: "none" }, id: 3 },
    ]);

    expect(answers).toMatchObject([
      { id: 0, result: { sequence: 1 } },
      { id: "two", result: { sequence: 2 } },
      { id: 3, error: { code: ErrorCode.NotFound } },
    ]);
    close();
  });
});

function publishing(data: number) {
  return { jsonrpc: "2.0" as const, method: "publish", params: { stream: "batch", data } };
}

async function run(server: Server, nextId?: () => string | number): Promise<void> {
  const { rpc, heard, close } = await connect(server, nextId);
  await exercise({
    request: async (method, params) => rpc.request(method, params),
    notify: (method, params) => rpc.notify(method, params),
    codeOf: (thrown) => (thrown instanceof JSONRPCErrorException ? thrown.code : thrown),
    heard,
  });
  close();
}

async function connect(server: Server, nextId?: () => string | number) {
  const ws = new WebSocket(socketUrl(server), subprotocols(server));
  await once(ws, "open");
  const client = new JSONRPCClient((call) => ws.send(JSON.stringify(call)), nextId);
  const rpc = new JSONRPCServerAndClient(new JSONRPCServer(), client);
  ws.on("message", (data: Buffer) => void rpc.receiveAndSend(JSON.parse(data.toString())));
  const heard: unknown[] = [];
  rpc.addMethod("messages", (params: unknown) => {
    heard.push(params);
  });
  return { rpc, heard, close: () => ws.close() };
}
