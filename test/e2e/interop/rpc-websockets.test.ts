import { Client } from "rpc-websockets";
import { describe } from "vitest";

import { sharingServer } from "../server/fixtures.ts";
import { exercise, socketUrl } from "./interop.ts";
import type { Server } from "../server/server.ts";

const test = sharingServer();

// It has no batches, and passes the bare error object where others have a class. Its own subscribe() speaks of events
// of its own server; notifications of any other come as events of their method's name.
describe("rpc-websockets", () => {
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
});

async function run(server: Server, nextId?: () => string | number): Promise<void> {
  const options = { headers: { Authorization: `Bearer ${server.apiKey}` }, reconnect: false };
  const client = new Client(socketUrl(server), options, nextId);
  await new Promise<void>((resolve) => client.once("open", resolve));
  const heard: unknown[] = [];
  client.on("messages", (params: unknown) => heard.push(params));

  await exercise({
    request: (method, params) => (params === undefined ? client.call(method) : client.call(method, { ...params })),
    notify: (method, params) => client.notify(method, { ...params }),
    codeOf: (thrown) => (thrown as { code: number }).code,
    heard,
  });
  client.close();
}
