/** What becomes of sockets that were closed as their clients read too slowly, and whose peers stay. */
import { expect } from "vitest";
import { WebSocket } from "ws";

import { DurableStream } from "../../../../rpc/client.ts";
import { Client } from "../../server/client.ts";
import { test as base } from "../../server/fixtures.ts";

const STREAM = "closed";
/** Each has up to 4 MiB unread when it is closed: together more than an isolate keeps for hours. */
const CLOSED_CLIENTS = 8;

const test = base.extend({ options: { vars: { GATEWAY_SHARDS: "1", CLOSE_MS: "100" } } });

test("peers that keep much of an isolate unread are let go soon, and the clients of others connect again", async ({
  server,
}) => {
  const opened = Promise.withResolvers<void>();
  let opens = 0;
  const onState = ({ state }: { state: string }) => {
    opens += state === "open" ? 1 : 0;
    if (opens === 2) {
      opened.resolve();
    }
  };
  const reconnect = { leastMs: 10, mostMs: 10 };
  await using client = new DurableStream({ url: server.url, token: server.apiKey, WebSocket, reconnect, onState });
  await client.publish({ stream: STREAM, data: 1 });
  // Each answer has its id.
  const call = JSON.stringify({ jsonrpc: "2.0", id: "x".repeat(500_000), method: "getServerInfo" });

  const slow = await Promise.all(Array.from({ length: CLOSED_CLIENTS }, () => Client.connect(server)));
  for (const each of slow) {
    each.pause();
    for (let sent = 0; sent < 30; sent += 1) {
      each.send(call);
    }
  }
  await opened.promise;

  expect(await client.publish({ stream: STREAM, data: 2 })).toMatchObject({ sequence: 2 });
  slow.forEach((each) => each.terminate());
});
