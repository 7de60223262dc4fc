/** What many ask for at once does not hold up what another asks: it is the order of the answers that shows it. */
import { expect } from "vitest";

import { Client } from "../server/client.ts";
import type { Target } from "../server/client.ts";
import { test } from "../server/fixtures.ts";

const STREAM = "read-in-turns";
const READS = 4_000;
const CALLS = 2_500;

/** Two clients whose sockets are at one gateway. */
async function neighbours(target: Target): Promise<[Client, Client]> {
  const byGateway = new Map<string, Client>();
  for (;;) {
    const client = await Client.connect(target);
    const { connection } = await client.call("getServerInfo", {});
    const gateway = connection?.gateway ?? "";
    const other = byGateway.get(gateway);
    if (other !== undefined) {
      return [other, client];
    }
    byGateway.set(gateway, client);
  }
}

test("a client is answered between the reads of another that asks thousands at once", async ({ server }) => {
  const [busy, other] = await neighbours(server);
  await busy.call("publish", { stream: STREAM, data: 1 });

  let answered = 0;
  const reads = Array.from({ length: READS }, async () => {
    const { lastSequence } = await busy.call("getStreamInfo", { stream: STREAM });
    answered += 1;
    return lastSequence;
  });
  await other.call("getStreamInfo", { stream: STREAM });
  const before = answered;

  expect(before).toBeLessThan(READS / 2);
  expect(new Set(await Promise.all(reads))).toEqual(new Set([1]));
});

test("a publish behind another is stored before thousands of calls are answered that came with it", async ({
  server,
}) => {
  const [busy, other] = await neighbours(server);
  await other.call("publish", { stream: STREAM, data: 1 });

  let answered = 0;
  process.kill(-server.processGroup, "SIGSTOP");
  // Each in a frame of its own: the second one waits for the call of the first.
  const publishes = [1, 2].map((data) => other.call("publish", { stream: STREAM, data }));
  const calls = Array.from({ length: CALLS }, async () => {
    await busy.request("none", {});
    answered += 1;
  });
  process.kill(-server.processGroup, "SIGCONT");
  await Promise.all(publishes);
  const before = answered;

  expect(before).toBeLessThan(CALLS / 5);
  await Promise.all(calls);
});
