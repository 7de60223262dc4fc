/** Producers that publish through faults of every kind, and write down what they were told. */
import { setTimeout as delay } from "node:timers/promises";

import { WebSocket as WsWebSocket } from "ws";

import type { DurableStream, WebSocketConstructor } from "../../../../rpc/client.ts";
import { ErrorCode, LIMITS } from "../../../../rpc/index.ts";
import type { MethodResult, ProducerState, StoredRange } from "../../../../rpc/index.ts";

import { CallError, Client } from "../../server/client.ts";
import type { Target } from "../../server/client.ts";
import type { Numbered, Told } from "../histories/producer-history.ts";

/** A stream that is published to: whether it goes on, and how much was stored. */
export class Load {
  readonly stream: string;
  readonly told: Told[] = [];
  stored = 0;
  isOver = false;
  #gate: PromiseWithResolvers<void> | undefined;

  constructor(stream: string) {
    this.stream = stream;
  }

  /** Notes what a caller was told, and how many messages that adds to the stream. */
  take(one: Told, added = one.count): void {
    this.told.push(one);
    this.stored += one.outcome.kind === "stored" ? added : 0;
  }

  /** Nobody begins to publish while something is done. */
  async whilePaused<T>(act: () => Promise<T>): Promise<T> {
    const gate = Promise.withResolvers<void>();
    this.#gate = gate;
    const done = await act();
    this.#gate = undefined;
    gate.resolve();
    return done;
  }

  /** Waits until publishing may go on. */
  async whenOpen(): Promise<void> {
    await this.#gate?.promise;
  }
}

/** One client that publishes with several calls open, some with little time. */
export class ProducerWriter {
  readonly client: DurableStream;
  readonly #load: Load;
  readonly #by: string;
  readonly #generation: number;
  readonly #random: () => number;
  readonly #whenStored = Promise.withResolvers<void>();
  #number = 0;
  /** Names of the errors that its publishes ended with. */
  readonly failures = new Map<string, number>();
  /** Another has taken its producer over: nothing is to be published any more. */
  isTakenOver = false;

  constructor(client: DurableStream, load: Load, who: { by: string; generation: number; random: () => number }) {
    this.client = client;
    this.#load = load;
    this.#by = who.by;
    this.#generation = who.generation;
    this.#random = who.random;
  }

  /** Its first message is stored. */
  get whenStored(): Promise<void> {
    return this.#whenStored.promise;
  }

  /** Publishes until the load is over; one that is taken over ends, so that its sockets are not the ones disturbed. */
  async run(workers: number): Promise<void> {
    await Promise.all(Array.from({ length: workers }, () => this.#work()));
    if (this.isTakenOver) {
      await this.client.close();
    }
  }

  async #work(): Promise<void> {
    while (!this.#load.isOver && !this.isTakenOver) {
      await this.#load.whenOpen();
      await this.#publish();
    }
  }

  /** Publishes with little time while there is no server, until one is known not to have been sent: `Unavailable`. */
  async expire(): Promise<void> {
    const before = this.failures.get("Unavailable") ?? 0;
    while ((this.failures.get("Unavailable") ?? 0) === before) {
      await this.#publish({ timeoutMs: 10 });
    }
  }

  async #publish(given?: { timeoutMs: number }): Promise<void> {
    const random = this.#random;
    const count = random() < 0.5 ? 1 : 1 + Math.floor(random() * 40);
    const first: Numbered = { by: this.#by, generation: this.#generation, number: this.#number + 1 };
    this.#number += count;
    const messages = numbered(first, count);
    const { stream } = this.#load;
    const options = given ?? (random() < 0.05 ? { timeoutMs: random() ** 2 * 60 } : {});
    const [message] = messages;
    try {
      if (count === 1 && message !== undefined) {
        const { sequence } = await this.client.publish({ stream, ...message }, options);
        this.#load.take({ first, count, outcome: { kind: "stored", sequences: [sequence] } });
      } else {
        const stored = await this.client.publishBatch({ stream, messages }, options);
        this.#load.take({ first, count, outcome: { kind: "stored", sequences: sequencesOf(stored) } });
      }
      this.#whenStored.resolve();
    } catch (error) {
      const name = error instanceof Error ? error.name : String(error);
      this.failures.set(name, (this.failures.get(name) ?? 0) + 1);
      this.isTakenOver ||= name === "Conflict";
      const outcome =
        name === "OutcomeUnknown" ? { kind: "unknown" as const } : { kind: "notStored" as const, why: name };
      this.#load.take({ first, count, outcome });
    }
  }
}

/** Sent in one round by each of the two sockets. */
const ROUND_BATCHES = 6;
/** A frozen socket is given up after so long. */
const ROUND_MS = 1_000;

/**
 * A producer that says its sequences itself, over two sockets at once as after a reconnect beside a half-dead one: both
 * send the same messages, cut otherwise, and in some rounds one is of the epoch before.
 */
export class TwinProducer {
  readonly #target: Target;
  readonly #load: Load;
  readonly #random: () => number;
  readonly #sockets: (Client | undefined)[] = [undefined, undefined];
  /** The last that is known to be stored. */
  #at: ProducerState = { epoch: 0, sequence: 0 };
  /** What a zombie would publish next, that knows nothing of the takeover. */
  #before: ProducerState | undefined;
  /** How often an old epoch was refused. */
  refusedZombies = 0;
  /** How many batches were stored already, whole or in part. */
  repeated = 0;

  constructor(target: Target, load: Load, random: () => number) {
    this.#target = target;
    this.#load = load;
    this.#random = random;
  }

  async run(): Promise<void> {
    while (!this.#load.isOver) {
      await this.#load.whenOpen();
      await this.#round();
    }
    this.#sockets.forEach((socket) => socket?.terminate());
  }

  async #round(): Promise<void> {
    const { epoch, sequence } = this.#at;
    const isTakeover = sequence > 0 && this.#random() < 0.15;
    const back = Math.floor(this.#random() * Math.min(sequence, 10));
    const old = this.#random() < 0.2 ? this.#before : undefined;
    const beginnings = [
      isTakeover ? { epoch: epoch + 1, sequence: 1 } : { epoch, sequence: sequence + 1 },
      old ?? { epoch, sequence: sequence + 1 - back },
    ];
    await Promise.all(beginnings.map((from, socket) => this.#pipeline(socket, from)));
  }

  /** Sends batches one behind the other, without waiting. */
  async #pipeline(index: number, from: ProducerState): Promise<void> {
    const socket = await this.#socket(index);
    if (socket === undefined) {
      await delay(20);
      return;
    }
    const answers: Promise<void>[] = [];
    let { sequence } = from;
    for (let batch = 0; batch < ROUND_BATCHES; batch += 1) {
      const count = 1 + Math.floor(this.#random() * 20);
      answers.push(this.#publish(socket, { epoch: from.epoch, sequence }, count));
      sequence += count;
    }
    const late = new AbortController();
    const isLate = delay(ROUND_MS, true, { signal: late.signal }).catch(() => false);
    if (await Promise.race([Promise.all(answers).then(() => false), isLate])) {
      socket.terminate();
    }
    late.abort();
    await Promise.all(answers);
  }

  async #publish(socket: Client, from: ProducerState, count: number): Promise<void> {
    const { stream } = this.#load;
    const first: Numbered = { by: "twin", generation: from.epoch, number: from.sequence };
    try {
      const messages = numbered(first, count);
      const stored = await socket.call("publishBatch", { stream, messages, producer: { id: "twin", ...from } });
      this.#reached({ epoch: from.epoch, sequence: from.sequence + count - 1 });
      this.repeated += stored.duplicate || stored.ranges !== undefined ? 1 : 0;
      const known = stored.ranges?.some(({ approximate }) => approximate) === true ? [] : sequencesOf(stored);
      this.#load.take({ first, count, outcome: { kind: "stored", sequences: known } }, stored.duplicate ? 0 : count);
    } catch (error) {
      const at =
        error instanceof CallError ? (error.data as { producer?: ProducerState } | undefined)?.producer : undefined;
      if (at !== undefined) {
        this.refusedZombies += at.epoch > from.epoch ? 1 : 0;
        this.#reached(at);
      }
    }
  }

  #reached(at: ProducerState): void {
    const { epoch, sequence } = this.#at;
    if (at.epoch > epoch) {
      this.#before = { epoch, sequence: sequence + 1 };
    }
    if (at.epoch > epoch || (at.epoch === epoch && at.sequence > sequence)) {
      this.#at = at;
    }
  }

  async #socket(index: number): Promise<Client | undefined> {
    const open = this.#sockets[index];
    if (open !== undefined && open.closed === undefined) {
      return open;
    }
    const connecting = Client.connect(this.#target).catch(() => undefined);
    this.#sockets[index] = await connecting;
    return this.#sockets[index];
  }
}

/** How often publishes were refused for a time. */
export type Refusals = { busy: number; rateLimited: number };

/** Frames of notifications that take the room of publishes: more text than a socket may have in flight. */
const CROWDS = Array.from({ length: Math.ceil(LIMITS.requestBytesInFlight / LIMITS.frameBytes) + 1 }, () => {
  const call = { jsonrpc: "2.0", method: "getStreamInfo", params: { stream: "crowd" } };
  return JSON.stringify(Array.from({ length: 100 }, () => call)).padEnd(LIMITS.frameBytes);
});

/**
 * Sockets on which the server is made Busy now and then, by calls that nobody waits for, and on which single publishes
 * are answered with RateLimited and do not arrive.
 */
export function crowdedSockets(random: () => number, refusals: Refusals): WebSocketConstructor {
  return class extends WsWebSocket {
    override send(frame: string): void {
      const calls = frame.includes('"publish') ? callsOf(frame) : [];
      const [victim] = calls.splice(Math.floor(random() * calls.length), random() < 0.02 ? 1 : 0);
      if (random() < 0.02) {
        CROWDS.forEach((crowd) => super.send(crowd));
      }
      if (victim !== undefined) {
        setImmediate(() => this.#refuse(victim.id));
      }
      if (victim === undefined || calls.length > 0) {
        super.send(victim === undefined ? frame : JSON.stringify(calls));
      }
    }

    override emit(event: string | symbol, ...args: unknown[]): boolean {
      if (event === "message" && String(args[0]).includes(`"code":${ErrorCode.Busy}`)) {
        refusals.busy += 1;
      }
      return super.emit(event, ...args);
    }

    #refuse(id: number): void {
      if (this.readyState === WsWebSocket.OPEN) {
        refusals.rateLimited += 1;
        const error = { code: ErrorCode.RateLimited, message: "too many", data: { retryAfterMs: 3, limit: 1 } };
        this.emit("message", Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, error })), false);
      }
    }
  };
}

function callsOf(frame: string): { id: number }[] {
  const parsed: { id: number } | { id: number }[] = JSON.parse(frame);
  return Array.isArray(parsed) ? parsed : [parsed];
}

function numbered(first: Numbered, count: number): { data: Numbered }[] {
  return Array.from({ length: count }, (_, index) => ({ data: { ...first, number: first.number + index } }));
}

/** The stream's sequence of each message of a batch. */
function sequencesOf({ firstSequence, lastSequence, ranges }: MethodResult<"publishBatch">): number[] {
  const whole = { firstSequence, count: lastSequence - firstSequence + 1 };
  return (ranges ?? [whole]).flatMap(({ firstSequence: first, count }: Pick<StoredRange, "firstSequence" | "count">) =>
    Array.from({ length: count }, (_, index) => first + index),
  );
}
