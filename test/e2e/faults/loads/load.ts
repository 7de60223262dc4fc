/** Clients that go on through crashes, and write down what they saw. */
import { setTimeout as delay } from "node:timers/promises";

import { ErrorCode } from "../../../../rpc/index.ts";
import type { Message, MethodParams } from "../../../../rpc/index.ts";

import { CallError, Client, ConnectionLost } from "../../server/client.ts";
import type { Target } from "../../server/client.ts";
import type { Attempt, Following, Outcome, Payload, Publish } from "../histories/history.ts";

/** A server that comes and goes, as its clients know it. */
export class Uptime {
  readonly #target: Target;
  #up = Promise.withResolvers<void>();
  #isEnded = false;
  /** Set when it is enough: publishers settle what is open and stop. */
  isOver = false;

  constructor(target: Target) {
    this.#target = target;
  }

  up(): void {
    this.#up.resolve();
  }

  down(): void {
    this.#up = Promise.withResolvers<void>();
  }

  /** The server will not come back, whatever its clients still wait for. */
  end(): void {
    this.#isEnded = true;
    this.#up.resolve();
  }

  /** Connects once the server is up, again if it goes down meanwhile. */
  async connect(): Promise<Client> {
    for (;;) {
      await this.#up.promise;
      if (this.#isEnded) {
        throw new Error("the server will not come back");
      }
      try {
        return await Client.connect(this.#target);
      } catch {
        // The server was ended before anybody said that it is down, and will be started again.
        await delay(10);
      }
    }
  }
}

/** A source of numbers from 0 to 1 that a seed repeats (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type Call =
  | { method: "publish"; params: MethodParams<"publish"> }
  | { method: "publishBatch"; params: MethodParams<"publishBatch"> };

/** What a publisher sends. `expects`: always the last sequence it knows, which is right if it is alone. */
export type Habit = { name: string; stream: string; inFlight: number; expects: "sometimes" | "always" };

const BATCH_MESSAGES = 12;

/** Publishes with ids until it is over; what was left open by a crash is sent again, before anything new. */
export class LoadPublisher {
  readonly #habit: Habit;
  readonly #uptime: Uptime;
  readonly #random: () => number;
  readonly #calls = new Map<Publish, Call>();
  readonly #open: Publish[] = [];
  #sockets = 0;
  #lastSequence = 0;
  readonly publishes: Publish[] = [];
  onAcknowledged: () => void = () => undefined;

  constructor(habit: Habit, uptime: Uptime, random: () => number) {
    this.#habit = habit;
    this.#uptime = uptime;
    this.#random = random;
  }

  async run(): Promise<void> {
    while (!this.#uptime.isOver || this.#open.length > 0) {
      const client = await this.#uptime.connect();
      this.#sockets += 1;
      const socket = { name: `${this.#habit.name}#${this.#sockets}`, order: 0 };
      await Promise.all(Array.from({ length: this.#habit.inFlight }, () => this.#work(client, socket)));
      client.terminate();
    }
  }

  async #work(client: Client, socket: { name: string; order: number }): Promise<void> {
    while (client.closed === undefined) {
      const publish = this.#open.shift() ?? (this.#uptime.isOver ? undefined : this.#invent());
      if (publish === undefined) {
        return;
      }
      socket.order += 1;
      const attempt: Attempt = { socket: socket.name, order: socket.order, outcome: { kind: "unknown" } };
      publish.attempts.push(attempt);
      attempt.outcome = await this.#send(client, publish);
      if (attempt.outcome.kind === "unknown") {
        this.#open.push(publish);
      } else if (attempt.outcome.kind === "stored") {
        this.#lastSequence = Math.max(this.#lastSequence, attempt.outcome.lastSequence);
        this.onAcknowledged();
      }
    }
  }

  async #send(client: Client, publish: Publish): Promise<Outcome> {
    const call = this.#calls.get(publish);
    if (call === undefined) {
      throw new Error(`there is nothing to send for ${publish.id}`);
    }
    try {
      if (call.method === "publish") {
        const { epoch, sequence, duplicate } = await client.call("publish", call.params);
        return { kind: "stored", epoch, firstSequence: sequence, lastSequence: sequence, duplicate };
      }
      const { epoch, firstSequence, lastSequence, duplicate } = await client.call("publishBatch", call.params);
      return { kind: "stored", epoch, firstSequence, lastSequence, duplicate };
    } catch (error) {
      if (error instanceof ConnectionLost) {
        return { kind: "unknown" };
      }
      if (error instanceof CallError) {
        return error.code === ErrorCode.OutcomeUnknown ? { kind: "unknown" } : { kind: "refused", code: error.code };
      }
      throw error;
    }
  }

  #invent(): Publish {
    const { name, stream, expects } = this.#habit;
    const id = `${name}-${this.publishes.length + 1}`;
    const isBatch = this.#random() < 0.3;
    const publish: Publish = {
      id,
      messages: isBatch ? 1 + Math.floor(this.#random() * BATCH_MESSAGES) : 1,
      attempts: [],
    };
    const expect =
      expects === "always" || this.#random() < 0.1 ? { expect: { lastSequence: this.#lastSequence } } : undefined;
    const messages = Array.from({ length: publish.messages }, (_, index) => ({
      subject: `load.${name}.${isBatch ? "batch" : "single"}`,
      data: { publish: id, index, text: "x".repeat(Math.floor(this.#random() ** 4 * 2_000)) } satisfies Payload & {
        text: string;
      },
    }));
    const [first] = messages;
    this.#calls.set(
      publish,
      isBatch || first === undefined
        ? { method: "publishBatch", params: { stream, id, messages, ...expect } }
        : { method: "publish", params: { stream, id, ...first, ...expect } },
    );
    this.publishes.push(publish);
    return publish;
  }
}

export type FollowHabit = {
  name: string;
  stream: string;
  maxInFlight: number;
  /** Acks every so many messages; at most `maxInFlight`, or it would wait for itself. */
  ackEvery: number;
  filter?: string;
};

/** Follows from the first message on, and after each crash from the one after the last it has. */
export class LoadFollower {
  readonly #habit: FollowHabit;
  readonly #uptime: Uptime;
  #client: Client | undefined;
  #isStopped = false;
  #lastSequence = 0;
  #unacked = 0;
  readonly #wakers = new Set<() => void>();
  readonly following: Following;
  /** Epochs, as each session was told. */
  readonly epochs: string[] = [];
  /** Gaps and ends that nothing in the load calls for. */
  readonly surprises: unknown[] = [];

  constructor(habit: FollowHabit, uptime: Uptime, wants: (message: Message) => boolean) {
    this.#habit = habit;
    this.#uptime = uptime;
    this.following = { name: habit.name, wants, deliveries: [] };
  }

  async run(): Promise<void> {
    for (let session = 1; !this.#isStopped; session += 1) {
      const client = await this.#uptime.connect();
      if (this.#isStopped) {
        client.terminate();
        return;
      }
      this.#client = client;
      this.#receive(client, session);
      try {
        await this.#subscribe(client);
      } catch (error) {
        if (!(error instanceof ConnectionLost)) {
          throw error;
        }
      }
      await client.whenClosed;
    }
  }

  /** Waits until everything up to a sequence has come, or for so long; what is missing then, the checker tells. */
  async waitFor(sequence: number, patienceMs: number): Promise<void> {
    const late = AbortSignal.timeout(patienceMs);
    const whenLate = new Promise((resolve) => late.addEventListener("abort", resolve));
    while (this.#lastSequence < sequence && !late.aborted) {
      const woken = Promise.withResolvers<void>();
      this.#wakers.add(woken.resolve);
      await Promise.race([woken.promise, whenLate]);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#client?.terminate();
  }

  async #subscribe(client: Client): Promise<void> {
    const { stream, maxInFlight, filter } = this.#habit;
    const epoch = this.epochs.at(-1);
    const { epoch: told, skipped } = await client.call("subscribe", {
      stream,
      maxInFlight,
      ...(filter === undefined ? {} : { filter }),
      ...(epoch === undefined ? {} : { epoch }),
      ...(this.#lastSequence === 0 ? {} : { from: { sequence: this.#lastSequence + 1 } }),
    });
    this.epochs.push(told);
    if (skipped !== undefined) {
      this.surprises.push({ skipped });
    }
  }

  #receive(client: Client, session: number): void {
    this.#unacked = 0;
    client.onNotification = (notification) => {
      if (notification.method !== "messages") {
        this.surprises.push(notification);
        return;
      }
      const { subscription, previous, messages } = notification.params;
      this.following.deliveries.push({ session, previous, messages });
      this.#lastSequence = messages.at(-1)?.sequence ?? this.#lastSequence;
      this.#unacked += messages.length;
      if (this.#unacked >= this.#habit.ackEvery) {
        this.#unacked = 0;
        client.notify("ack", { subscription, through: this.#lastSequence });
      }
      for (const wake of this.#wakers) {
        wake();
      }
      this.#wakers.clear();
    };
  }
}
