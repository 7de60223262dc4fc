import { once } from "node:events";

import { ResponseError } from "vscode-jsonrpc";
import { createWebSocketConnection, toSocket } from "vscode-ws-jsonrpc";
import { describe, expect } from "vitest";
import { WebSocket } from "ws";

import { test } from "../server/fixtures.ts";
import { exercise, socketUrl, subprotocols } from "./interop.ts";

// Its ids are numbers from 0, and it has no batches. A single object is passed by name; no argument leaves params out.
describe("vscode-jsonrpc over vscode-ws-jsonrpc", () => {
  test("calls with id 0 first, and says its key as a browser does", async ({ server }) => {
    const ws = new WebSocket(socketUrl(server), subprotocols(server));
    const sent: unknown[] = [];
    await once(ws, "open");
    // The type of a browser's WebSocket, whose events have more to them than are used.
    const socket = toSocket(ws as unknown as globalThis.WebSocket);
    const send = (content: string): void => {
      sent.push(JSON.parse(content));
      socket.send(content);
    };
    const connection = createWebSocketConnection({ ...socket, send }, console);
    const heard: unknown[] = [];
    connection.onNotification("messages", (params: unknown) => {
      heard.push(params);
    });
    connection.listen();

    await exercise({
      request: (method, params) =>
        params === undefined ? connection.sendRequest(method) : connection.sendRequest(method, params),
      notify: (method, params) => connection.sendNotification(method, params),
      codeOf: (thrown) => (thrown instanceof ResponseError ? thrown.code : thrown),
      heard,
    });

    expect(ws.protocol).toBe("durable-stream.v1");
    expect(sent).toMatchObject([{ id: 0 }, { id: 1 }, { id: 2 }, { method: "ack" }, { id: 3 }, {}, {}, {}, {}, {}]);
    connection.dispose();
    ws.close();
  });
});
