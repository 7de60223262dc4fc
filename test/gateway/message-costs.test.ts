import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";
import type { MockInstance } from "vitest";

import { connect } from "../harness/client.ts";
import { faultGateway, faultStream } from "../harness/faults.ts";
import { holdStream } from "../harness/hold.ts";
import { request } from "../harness/http.ts";

/**
 * What 10,000 messages cost, in counts and not in time: no machine makes them other. The publishes wait until all are
 * there, so that how they are gathered does not depend on when they come.
 */
const MESSAGES = 10_000;
const SINGLES = 4_000;
const FRAME_CALLS = 500;
/**
 * A thousand requests go in one call of a gateway. The tests have two gateways, and the first call of each takes what was
 * read before it began.
 */
const MOST_COMMITS = MESSAGES / 1_000 + 4;

afterEach(() => {
  vi.restoreAllMocks();
});

it("costs one parse a frame, one serialisation a message, one row and one commit for a thousand, in batches", async () => {
  const stream = "cost-of-batches";
  await create(stream);
  const sockets = await Promise.all(Array.from({ length: 4 }, () => openRaw()));
  const frame = batchOfPublishes(stream, FRAME_CALLS);
  const each = MESSAGES / FRAME_CALLS / sockets.length;

  const costs = await count(stream, MESSAGES / FRAME_CALLS, () => sendEach(sockets, frame, each));

  expect(costs.commits).toBeLessThanOrEqual(MOST_COMMITS);
  expect(costs).toEqual({
    commits: costs.publishCalls,
    rowsWritten: costs.publishCalls,
    publishCalls: costs.publishCalls,
    deliverCalls: 0,
    readCalls: 0,
    framesOut: 20,
    parses: 20,
    serialisations: MESSAGES,
  });
});

it("costs one parse and one serialisation a message, one row and one commit for all that wait, in frames of one", async () => {
  const stream = "cost-of-singles";
  await create(stream);
  const sockets = await Promise.all(Array.from({ length: 4 }, () => openRaw()));
  const frame = JSON.stringify(publishOf(stream, 1));
  const each = SINGLES / sockets.length;

  const costs = await count(stream, SINGLES, () => sendEach(sockets, frame, each));

  expect(costs.commits).toBeLessThanOrEqual(SINGLES / 1_000 + 4);
  expect(costs).toEqual({
    commits: costs.publishCalls,
    rowsWritten: costs.publishCalls,
    publishCalls: costs.publishCalls,
    deliverCalls: 0,
    readCalls: 0,
    framesOut: SINGLES,
    parses: SINGLES,
    serialisations: SINGLES,
  });
});

it("costs one call a gateway and a commit, and one frame a follower, to ten followers", async () => {
  const stream = "cost-of-followers";
  await create(stream);
  const followers = await Promise.all(Array.from({ length: 10 }, () => openRaw()));
  const subscribe = {
    jsonrpc: "2.0",
    id: 1,
    method: "subscribe",
    params: { stream, from: "new", maxInFlight: MESSAGES },
  };
  await Promise.all(
    followers.map((follower) => {
      const subscribed = follower.whenReceived(1);
      follower.send(JSON.stringify(subscribe));
      return subscribed;
    }),
  );
  const publishers = await Promise.all(Array.from({ length: 4 }, () => openRaw()));
  const frame = batchOfPublishes(stream, FRAME_CALLS);

  const costs = await count(stream, MESSAGES / FRAME_CALLS, async () => {
    const delivered = followers.map((follower) => follower.whenDelivered(MESSAGES));
    await sendEach(publishers, frame, MESSAGES / FRAME_CALLS / publishers.length);
    return (await Promise.all(delivered)).flat();
  });

  expect(costs.commits).toBeLessThanOrEqual(MOST_COMMITS);
  expect(costs.deliverCalls).toBeLessThanOrEqual(2 * costs.commits);
  expect(costs.framesOut).toBeLessThanOrEqual(10 * costs.commits);
  expect(costs).toMatchObject({
    rowsWritten: costs.commits,
    publishCalls: costs.commits,
    readCalls: 0,
    parses: MESSAGES / FRAME_CALLS,
    serialisations: MESSAGES,
  });
});

async function create(stream: string): Promise<void> {
  const client = await connect();
  await client.call("publish", { stream, data: "the first" });
}

type RawSocket = Awaited<ReturnType<typeof openRaw>>;

/** Sends a frame so often on each socket, and returns what comes back once all are answered. */
async function sendEach(sockets: readonly RawSocket[], frame: string, each: number): Promise<string[]> {
  const answered = sockets.map((socket) => socket.whenReceived(each));
  for (let sent = 0; sent < each; sent += 1) {
    sockets.forEach((socket) => socket.send(frame));
  }
  return (await Promise.all(answered)).flat();
}

/** Counts what the server does for some work of so many frames; the stream takes nothing until all of them are read. */
async function count(stream: string, frames: number, work: () => Promise<string[]>) {
  const costs = {
    commits: 0,
    rowsWritten: 0,
    publishCalls: 0,
    deliverCalls: 0,
    readCalls: 0,
    framesOut: 0,
    parses: 0,
    serialisations: 0,
  };
  await runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => {
    const exec = storage.sql.exec.bind(storage.sql);
    const counting: typeof storage.sql.exec = (query, ...bindings) => {
      const cursor = exec<never>(query, ...bindings);
      costs.rowsWritten += cursor.rowsWritten;
      return cursor;
    };
    Object.defineProperty(storage.sql, "exec", { configurable: true, value: counting });
    const transactionSync = storage.transactionSync.bind(storage);
    const committing: typeof storage.transactionSync = (change) => {
      costs.commits += 1;
      return transactionSync(change);
    };
    Object.defineProperty(storage, "transactionSync", { configurable: true, value: committing });
  });
  await faultStream("publish", (publish, call) => {
    costs.publishCalls += 1;
    return publish(call);
  });
  await faultStream("readPage", (readPage, ...from) => {
    costs.readCalls += 1;
    return readPage(...from);
  });
  await faultGateway("deliver", (deliver, push) => {
    costs.deliverCalls += 1;
    return deliver(push);
  });
  const release = await holdStream(stream);
  const [parse, stringify] = [vi.spyOn(JSON, "parse"), vi.spyOn(JSON, "stringify")];
  const working = work();
  // Every frame is read before the stream takes the first call.
  await vi.waitUntil(() => parsesOf(parse) === frames, { interval: 2, timeout: 10_000 });
  await release();
  const received = await working;
  costs.parses = parsesOf(parse);
  costs.serialisations = stringify.mock.calls.length;
  costs.framesOut = received.length;
  vi.restoreAllMocks();
  return costs;
}

function parsesOf(parse: MockInstance<typeof JSON.parse>): number {
  return parse.mock.calls.filter(([text]) => !isOfTestRun(text)).length;
}

/** What the test run parses in the same runtime: its config, at each event, and the calls of its own. */
function isOfTestRun(text: string): boolean {
  return text.startsWith('{"main":') || text.startsWith('[{"t":');
}

function publishOf(stream: string, id: number) {
  return { jsonrpc: "2.0", id, method: "publish", params: { stream, data: { some: "data" } } };
}

function batchOfPublishes(stream: string, calls: number): string {
  return JSON.stringify(Array.from({ length: calls }, (_, id) => publishOf(stream, id)));
}

/** A socket that parses nothing: what is parsed is counted. */
async function openRaw() {
  const { webSocket: ws } = await request("/rpc", {
    headers: { Authorization: `Bearer ${env.API_KEY}`, Upgrade: "websocket" },
  });
  if (ws === null) {
    throw new Error("the handshake was refused");
  }
  const received: string[] = [];
  let look: (() => void) | undefined;
  ws.addEventListener("message", ({ data }) => {
    received.push(String(data));
    look?.();
  });
  ws.accept();
  const until = (isDone: () => boolean) =>
    new Promise<string[]>((resolve) => {
      look = () => {
        if (isDone()) {
          resolve(received.splice(0));
        }
      };
    });
  return {
    send: (frame: string) => ws.send(frame),
    /** The next so many frames. */
    whenReceived: (frames: number) => until(() => received.length >= frames),
    /** The frames with the next so many messages. */
    whenDelivered: (messages: number) => {
      let delivered = 0;
      let seen = 0;
      return until(() => {
        for (const frame of received.slice(seen)) {
          delivered += frame.split('{"sequence":').length - 1;
        }
        seen = received.length;
        return delivered >= messages;
      });
    },
  };
}
