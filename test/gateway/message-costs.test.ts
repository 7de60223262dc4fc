import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";
import type { MockInstance } from "vitest";

import { connect } from "../harness/client.ts";
import { faultGateway, faultStream } from "../harness/faults.ts";
import { holdStream } from "../harness/hold.ts";
import { request } from "../harness/http.ts";
import { untilListed } from "../harness/objects.ts";
import { watchStatements } from "../harness/statements.ts";

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
    consumerCalls: 0,
    ackCalls: 0,
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
    consumerCalls: 0,
    ackCalls: 0,
    framesOut: SINGLES,
    parses: SINGLES,
    serialisations: SINGLES,
  });
});

it("costs one call a gateway and a commit, and one frame a follower, to ten followers", async () => {
  const stream = "cost-of-followers";
  await create(stream);
  const followers = await Promise.all(Array.from({ length: 10 }, () => openRaw()));
  const subscribe = callText("subscribe", { stream, from: "new", maxInFlight: MESSAGES });
  await Promise.all(
    followers.map((follower) => {
      const subscribed = follower.whenReceived(1);
      follower.send(subscribe);
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

it("costs a page for each quarter of a megabyte to catch up, and no parse or serialisation of a message", async () => {
  const stream = "cost-of-catch-up";
  await create(stream);
  const publishers = await Promise.all(Array.from({ length: 4 }, () => openRaw()));
  await sendEach(publishers, batchOfPublishes(stream, FRAME_CALLS), MESSAGES / FRAME_CALLS / publishers.length);
  const follower = await openRaw();
  const subscribe = callText("subscribe", { stream, from: { sequence: 2 }, maxInFlight: MESSAGES });

  const costs = await count(stream, undefined, () => {
    const delivered = follower.whenDelivered(MESSAGES);
    follower.send(subscribe);
    return delivered;
  });

  expect(costs.readCalls).toBeLessThanOrEqual(5);
  expect(costs.framesOut).toBeLessThanOrEqual(costs.readCalls + 1);
  expect(costs.rowsWritten).toBeLessThanOrEqual(1);
  expect(costs.serialisations).toBeLessThanOrEqual(2);
  expect(costs).toMatchObject({ publishCalls: 0, deliverCalls: 0, parses: 1 });
});

it("costs no call of the stream, no commit and no row to take a follower's acks", async () => {
  const stream = "cost-of-acks";
  await create(stream);
  const [publisher, follower] = [await openRaw(), await openRaw()];
  const subscribed = follower.whenReceived(1);
  follower.send(callText("subscribe", { stream, from: "new", maxInFlight: FRAME_CALLS }));
  await subscribed;
  const delivered = follower.whenDelivered(FRAME_CALLS);
  await sendEach([publisher], batchOfPublishes(stream, FRAME_CALLS), 1);
  await delivered;
  const acks = Array.from({ length: FRAME_CALLS }, (_, index) =>
    callText("ack", { subscription: 1, through: index + 2 }),
  );

  const costs = await count(stream, undefined, () => {
    const answered = follower.whenReceived(FRAME_CALLS);
    acks.forEach((ack) => follower.send(ack));
    return answered;
  });

  expect(costs).toMatchObject({
    commits: 0,
    rowsWritten: 0,
    publishCalls: 0,
    readCalls: 0,
    framesOut: FRAME_CALLS,
    parses: FRAME_CALLS,
  });
});

it("costs a consumer a push for all that its worker has room for, and a commit for all acks that wait", async () => {
  const stream = "cost-of-a-consumer";
  await create(stream);
  const [publisher, worker] = [await openRaw(), await openRaw()];
  for (const call of [
    callText("createConsumer", { stream, consumer: "c", from: "new", maxInFlight: SINGLES }),
    callText("subscribe", { stream, consumer: "c", maxInFlight: SINGLES }),
  ]) {
    const answered = worker.whenReceived(1);
    worker.send(call);
    await answered;
  }
  const frame = batchOfPublishes(stream, FRAME_CALLS);
  const acks = Array.from({ length: SINGLES }, (_, index) => ackOf(1, index + 2));

  const costs = await count(stream, SINGLES / FRAME_CALLS, async () => {
    const delivered = worker.whenDelivered(SINGLES);
    await sendEach([publisher], frame, SINGLES / FRAME_CALLS);
    return delivered;
  });
  const ofAcks = await count(stream, undefined, () => {
    const answered = worker.whenReceived(SINGLES / FRAME_CALLS);
    for (let first = 0; first < SINGLES; first += FRAME_CALLS) {
      worker.send(`[${acks.slice(first, first + FRAME_CALLS).join()}]`);
    }
    return answered;
  });

  expect(costs.consumerCalls).toBeLessThanOrEqual(2 * costs.commits);
  expect(costs.framesOut).toBeLessThanOrEqual(2 * costs.commits);
  expect(costs.parses).toBe(SINGLES / FRAME_CALLS);
  expect(ofAcks.ackCalls).toBeLessThanOrEqual(SINGLES / FRAME_CALLS);
  expect(ofAcks.commits).toBeLessThanOrEqual(ofAcks.ackCalls);
  expect(ofAcks.rowsWritten).toBeLessThanOrEqual(ofAcks.commits);
});

async function create(stream: string): Promise<void> {
  const client = await connect();
  await client.call("publish", { stream, data: "the first" });
  await untilListed(stream);
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

/**
 * Counts what the server does for some work.
 *
 * @param frames The stream takes nothing until so many are read; undefined for work that does not wait for that.
 */
async function count(stream: string, frames: number | undefined, work: () => Promise<string[]>) {
  const costs = {
    commits: 0,
    rowsWritten: 0,
    publishCalls: 0,
    deliverCalls: 0,
    readCalls: 0,
    consumerCalls: 0,
    ackCalls: 0,
    framesOut: 0,
    parses: 0,
    serialisations: 0,
  };
  await watchStatements(stream, ({ cursor }) => (costs.rowsWritten += cursor.rowsWritten));
  await runInDurableObject(env.STREAM.getByName(stream), (_instance, { storage }) => {
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
  await faultStream("applyAcks", (applyAcks, ...commands) => {
    costs.ackCalls += 1;
    return applyAcks(...commands);
  });
  await faultGateway("deliverConsumer", (deliverConsumer, push) => {
    costs.consumerCalls += 1;
    return deliverConsumer(push);
  });
  const release = frames === undefined ? undefined : await holdStream(stream);
  const [parse, stringify] = [vi.spyOn(JSON, "parse"), vi.spyOn(JSON, "stringify")];
  const working = work();
  if (release !== undefined) {
    // Every frame is read before the stream takes the first call.
    await vi.waitUntil(() => parsesOf(parse) === frames, { interval: 2, timeout: 10_000 });
    await release();
  }
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

function callText(method: string, params: object): string {
  return JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
}

function ackOf(subscription: number, sequence: number): string {
  return callText("ack", { subscription, sequences: [sequence] });
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
          delivered += frame.split('"publishedAt":').length - 1;
        }
        seen = received.length;
        return delivered >= messages;
      });
    },
  };
}
