/** What becomes of the room of bodies over HTTP that do not come to their end. */
import { once } from "node:events";
import { connect } from "node:net";

import { expect } from "vitest";

import { LIMITS } from "../../../rpc/index.ts";
import { test as base } from "../server/fixtures.ts";

/** More than a body has to send before it has its room. */
const SENT = 70_000;

const test = base.extend({ options: { vars: { REQUEST_DEADLINE_MS: "1500" } } });

test("a client that hangs up while its body comes has no room for long", async ({ server }) => {
  const { hostname, port, host } = new URL(server.url);
  const head = `POST /rpc HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${server.apiKey}\r\nContent-Length: ${LIMITS.frameBytes}\r\n\r\n`;
  const sent = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const socket = connect({ host: hostname, port: Number(port) });
      await once(socket, "connect");
      await new Promise((resolve) => socket.write(head + " ".repeat(SENT), resolve));
      return socket;
    }),
  );
  const posted = async (bytes: number) => {
    const body = '{"jsonrpc":"2.0","id":1,"method":"getServerInfo"}'.padEnd(bytes);
    const response = await fetch(new URL("/rpc", server.url), {
      method: "POST",
      headers: { Authorization: `Bearer ${server.apiKey}` },
      body,
    });
    return { status: response.status, body: await response.json() };
  };
  // Requests begin in the order in which they come: those have their room when some more are answered.
  for (let count = 0; count < 20; count += 1) {
    await posted(100);
  }
  for (const socket of sent) {
    socket.resetAndDestroy();
  }

  expect(await posted(LIMITS.frameBytes)).toMatchObject({ status: 200, body: { result: { name: "durable-stream" } } });
});
