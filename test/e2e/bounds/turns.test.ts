/** What many ask for at once does not hold up what another asks: it is the order of the answers that shows it. */
import { expect } from "vitest";

import { ErrorCode } from "../../../rpc/index.ts";
import { inSeconds, jwks, newKey, signedBy } from "../access/token-maker.ts";
import { Client } from "../server/client.ts";
import type { Target } from "../server/client.ts";
import { test as base } from "../server/fixtures.ts";

const key = newKey("HS256", "secret");
const test = base.extend({ options: { vars: { TOKEN_KEYS: jwks(key.jwk) } } });

const STREAM = "read-in-turns";
const READS = 4_000;
const CALLS = 2_500;
const WINDOW = 200;
/** More than are answered while something else is done once. */
const FLOOD = 30_000;
/** Frames of 330,000 values, a megabyte of text. */
const LARGE = 40;

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

test("a client that always has calls on the way keeps nobody out", async ({ server }) => {
  const [busy, other] = await neighbours(server);
  const flood = { answered: 0, isOver: false };
  const calls = Array.from({ length: WINDOW }, async () => {
    while (!flood.isOver && flood.answered < FLOOD) {
      await busy.request("none", {});
      flood.answered += 1;
    }
  });
  await busy.until(() => flood.answered > WINDOW || undefined, "the flood");

  await other.call("publish", { stream: STREAM, data: 1 });
  const latecomer = await Client.connect(server);
  await latecomer.call("publish", { stream: STREAM, data: 1 });
  const before = flood.answered;
  flood.isOver = true;
  await Promise.all(calls);

  expect(before).toBeLessThan(FLOOD);
});

test("a client whose acks are large keeps nobody out", async ({ server }) => {
  const [busy, other] = await neighbours(server);
  const params = { subscription: 1, sequences: Array.from({ length: 330_000 }, () => ({})) };
  const frame = JSON.stringify({ jsonrpc: "2.0", method: "ack", params });

  let isOver = false;
  process.kill(-server.processGroup, "SIGSTOP");
  const begun = busy.request("none", {});
  for (let sent = 0; sent < LARGE; sent += 1) {
    busy.send(frame);
  }
  const last = busy.request("none", {}).then(() => (isOver = true));
  process.kill(-server.processGroup, "SIGCONT");
  await begun;
  await other.call("publish", { stream: STREAM, data: 1 });

  expect(isOver).toBe(false);
  await last;
});

test("a client that publishes far more at once than it may is told so, and stays", async ({ server }) => {
  const token = signedBy(key, {
    exp: inSeconds(600),
    rights: [{ streams: [STREAM], actions: ["publish"] }],
    publishesPerSecond: 1,
  });
  const client = await Client.connect({ url: server.url, apiKey: token });

  // More than an object may have timers.
  const answers = await Promise.all(
    Array.from({ length: 20_000 }, (_, data) => client.request("publish", { stream: STREAM, data })),
  );

  const codes = answers.flatMap(({ error }) => error?.code ?? []);
  const told: number[] = [ErrorCode.RateLimited, ErrorCode.Busy, ErrorCode.Unavailable];
  expect(codes.length).toBeGreaterThan(10_000);
  expect(codes.filter((code) => !told.includes(code))).toEqual([]);
  const root = await Client.connect(server);
  const { lastSequence } = await root.call("getStreamInfo", { stream: STREAM });
  expect(lastSequence).toBe(answers.length - codes.length);
});
