import { expect } from "vitest";
import { WebSocket } from "ws";

import { DurableStream } from "../../rpc/client.ts";

import { sharingServer } from "./server/fixtures.ts";
import { RawSocket } from "./server/raw-socket.ts";

/** One gateway, which does not wait for hours either. */
const test = sharingServer({ vars: { GATEWAY_SHARDS: "1", CLOSE_MS: "500", UNANSWERED_MS: "1000" } });

const BINARY = 0x2;

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
