import { expect } from "vitest";

import { ErrorCode, STREAM_DEFAULTS } from "../../../rpc/index.ts";
import type { ProducerInfo, StoredRange } from "../../../rpc/index.ts";
import type { PublishCall, PublishReply } from "../../../src/internal/calls.ts";
import { addProducer, noProducers } from "../../../src/internal/producer-runs.ts";
import type { PublishProducer } from "../../../src/internal/producer-runs.ts";
import type { Refused } from "../../../src/platform/refused.ts";
import { splitMessages } from "../../../src/internal/message-text.ts";
import type { Stream } from "../../../src/stream/stream.ts";

import { ProducersModel } from "./model.ts";
import type { Answer, ModelConfig, ModelRequest, Place } from "./model.ts";

export const PRODUCERS = ["a", "b", "c"] as const;

/** How the sequence and epoch of a request stand to what is stored of its producer. */
export const KINDS = ["next", "repeated", "partlyRepeated", "skipping", "higher", "higherSkipping", "lower"] as const;

/** What messages of no producer say of theirs. */
const NOBODY: PublishProducer = { id: "nobody", epoch: 0, sequence: 0 };

/** One request, before it is known where its producer is. */
export type RequestPlan = {
  /** Undefined for a publish of nobody. */
  producer: (typeof PRODUCERS)[number] | undefined;
  kind: (typeof KINDS)[number];
  count: number;
  /** How far back, ahead or above. */
  amount: number;
  after: "none" | "right" | "wrong";
  expect: "none" | "right" | "wrong" | "refused";
};

type Awaitable<T> = T | Promise<T>;
type Remote<F> = F extends (...args: infer A) => infer R ? (...args: A) => Awaitable<Awaited<R>> : never;
type Method = "publish" | "deleteMessages" | "configure" | "destroy" | "getProducer" | "listProducers" | "readPage";
/** What is asked of a stream, in its object or through its stub. */
export type StreamCalls = { [M in Method]: Remote<Stream[M]> };

/** Where the stream of a world is. */
export type Home = {
  stream: string;
  /** Makes the stream anew. */
  made: () => Awaitable<StreamCalls>;
  /** Puts the stream to sleep, and wakes it. */
  woken: () => Awaitable<StreamCalls>;
};

/** A stream beside its model; each command is given to both, and what they answer is compared. */
export class ProducersWorld {
  readonly #name: string;
  readonly #home: Home;
  #stream: StreamCalls;
  #model: ProducersModel;
  nowMs = 1_000_000;

  /** Makes a stream that remembers its producers for so long. */
  static async of(home: Home, windowMs: number): Promise<ProducersWorld> {
    const stream = await home.made();
    await stream.configure({ stream: home.stream, producerWindowMs: windowMs });
    return new ProducersWorld(home, stream, new ProducersModel(windowMs));
  }

  private constructor(home: Home, stream: StreamCalls, model: ProducersModel) {
    this.#name = home.stream;
    this.#home = home;
    this.#stream = stream;
    this.#model = model;
  }

  /** Sends requests in one call, as a gateway does. */
  async publish(plans: readonly RequestPlan[]): Promise<void> {
    const call: PublishCall = { stream: this.#name, bodies: [], bytes: [], counts: [], producers: noProducers() };
    call.expectations = [];
    call.refusals = [];
    const answers: Answer[] = [];
    for (const [index, plan] of plans.entries()) {
      const request = this.#request(plan);
      const { producer, count, expectedLast, isRefused } = request;
      if (isRefused) {
        call.refusals.push({ request: index, code: ErrorCode.TooLarge, message: "too large", data: {} });
      }
      if (expectedLast !== undefined) {
        call.expectations.push({ request: index, lastSequence: expectedLast });
      }
      const bodies = isRefused ? [] : bodiesOf(producer, count);
      call.bodies.push(...bodies);
      call.bytes.push(...bodies.map(({ length }) => length));
      call.counts.push(bodies.length);
      if (producer !== undefined && call.producers !== undefined) {
        addProducer(call.producers, index, producer, bodies.length);
      }
      answers.push(this.#model.publish(request, this.nowMs));
    }
    this.#model.retain();
    const reply = await this.#stream.publish(call);
    compare(answersOf(reply, call), answers, JSON.stringify(call));
  }

  /** Publishes so many rows one by one, some of them of a producer. */
  async fill(rows: number): Promise<void> {
    for (let row = 0; row < rows; row += 1) {
      const plan = { count: 1, amount: 0, after: "none", expect: "none", kind: "next" } as const;
      await this.publish([{ ...plan, producer: row % 3 === 0 ? "c" : undefined }]);
    }
  }

  async deleteThrough(back: number): Promise<void> {
    const through = Math.max(0, this.#model.last - back);
    const expected = this.#model.delete((sequence) => sequence <= through);
    const deleted = await this.#stream.deleteMessages({ stream: this.#name, through });
    compare(accepted(deleted)?.deleted ?? 0, expected, "how many were deleted");
  }

  async deleteSequences(backs: readonly number[]): Promise<void> {
    const sequences = backs.map((back) => Math.max(1, this.#model.last - back));
    const expected = this.#model.delete((sequence) => sequences.includes(sequence));
    const deleted = await this.#stream.deleteMessages({ stream: this.#name, sequences });
    compare(accepted(deleted)?.deleted ?? 0, expected, "how many were deleted");
  }

  async configure(config: ModelConfig): Promise<void> {
    this.#model.config = config;
    this.#model.retain();
    await this.#stream.configure({
      stream: this.#name,
      discard: config.discard,
      maxMessages: config.maxMessages ?? null,
    });
  }

  async evict(): Promise<void> {
    this.#stream = await this.#home.woken();
  }

  async deleteStream(): Promise<void> {
    await this.#stream.destroy(undefined);
    this.#model = new ProducersModel(STREAM_DEFAULTS.producerWindowMs);
  }

  async getProducer(id: string): Promise<void> {
    const unknown = { producer: { id, epoch: 0, sequence: 0 } };
    const info = accepted(await this.#stream.getProducer({ stream: this.#name, producer: id }));
    const { epoch: _epoch, ...told } = info ?? {};
    compare(told, this.#model.info(id, this.nowMs) ?? unknown, id);
  }

  async listProducers(limit: number): Promise<void> {
    const listed: ProducerInfo[] = [];
    let after: string | undefined;
    for (let hasMore = true; hasMore;) {
      const asked = { stream: this.#name, limit, ...(after === undefined ? {} : { after }) };
      const { producers, more } = accepted(await this.#stream.listProducers(asked)) ?? { producers: [], more: false };
      listed.push(...producers);
      after = producers.at(-1)?.producer.id;
      hasMore = more;
    }
    compare(
      listed,
      PRODUCERS.flatMap((id) => this.#model.info(id, this.nowMs) ?? []),
      "all producers",
    );
  }

  /** Whether as many producers are known at another time: one that was forgotten does not come back with the clock. */
  knowsSameAt(nowMs: number): boolean {
    return PRODUCERS.every((id) => {
      return (this.#model.info(id, nowMs) === undefined) === (this.#model.info(id, this.nowMs) === undefined);
    });
  }

  /** Compares all messages, and what is known of every producer. */
  async check(): Promise<void> {
    const stored: unknown[] = [];
    for (let next = 1; next <= this.#model.last;) {
      const page = accepted(await this.#stream.readPage({ sequence: next }, 10_000, 1_000_000));
      for (const { sequence, publishedAt, text } of splitMessages(page?.text ?? "")) {
        const { data }: { data: string } = JSON.parse(text);
        stored.push([sequence, publishedAt, data]);
      }
      next = Math.max(next, page?.last ?? 0) + 1;
    }
    const expected = this.#model.kept.map((sequence) => {
      const message = this.#model.message(sequence);
      const of = message?.producer === undefined ? "nobody 0" : `${message.producer} ${message.epoch}`;
      return [sequence, message?.publishedAt, `${of} ${message?.sequence}`];
    });
    compare(stored, expected, "the log");
    await this.listProducers(2);
  }

  #request({ producer: id, kind, count, amount, after, expect: condition }: RequestPlan): ModelRequest {
    const isRefused = condition === "refused";
    const wrong = condition === "wrong" ? this.#model.last + 1 : undefined;
    const expectedLast = condition === "right" ? this.#model.last : wrong;
    if (id === undefined) {
      return { producer: undefined, count, expectedLast, isRefused };
    }
    const at = this.#model.at(id, this.nowMs);
    const back = Math.max(1, at.sequence - amount);
    const numbers = {
      next: { epoch: at.epoch, sequence: at.sequence + 1 },
      repeated: { epoch: at.epoch, sequence: back },
      partlyRepeated: { epoch: at.epoch, sequence: back },
      skipping: { epoch: at.epoch, sequence: at.sequence + 2 + amount },
      higher: { epoch: at.epoch + 1 + amount, sequence: 1 },
      higherSkipping: { epoch: at.epoch + 1 + amount, sequence: 2 + amount },
      lower: { epoch: Math.max(0, at.epoch - 1 - amount), sequence: back },
    }[kind];
    const producer: PublishProducer = { id, ...numbers };
    if (after !== "none") {
      producer.after = after === "right" ? at : { epoch: at.epoch, sequence: at.sequence + 1 };
    }
    const messages = {
      repeated: Math.min(count, Math.max(1, at.sequence + 1 - back)),
      partlyRepeated: at.sequence + 1 - back + count,
    }[kind as string];
    return { producer, count: messages ?? count, expectedLast, isRefused };
  }
}

/** Messages that say whose they are. */
function bodiesOf({ id, epoch, sequence }: PublishProducer = NOBODY, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `"data":"${id} ${epoch} ${sequence + index}"}`);
}

/** `expect` takes longer than the stream: it is asked only to show what differs. */
export function compare(actual: unknown, expected: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    expect(actual, `compared: ${what}`).toEqual(expected);
  }
}

/** What was answered; undefined by a stream that was never used. */
export function accepted<T extends object>(answer: T | Refused | undefined): T | undefined {
  if (answer !== undefined && "refused" in answer) {
    throw new Error(`refused: ${JSON.stringify(answer)}`);
  }
  return answer;
}

/** What a reply says of each message of each request. */
export function answersOf(
  { firstSequences, publishedAt, ranges = [], refusals, duplicates }: PublishReply,
  call: PublishCall,
): unknown[] {
  compare(duplicates, [], "only ids have such, and nobody gave one");
  return call.counts.map((count, request) => {
    const refusal = refusals.find((one) => one.request === request);
    if (refusal !== undefined) {
      return { refused: refusedBy(refusal) };
    }
    const stored = ranges.find((one) => one.request === request)?.ranges;
    const whole: StoredRange = { count, firstSequence: firstSequences[request] ?? 0, publishedAt, duplicate: false };
    return (stored ?? [whole]).flatMap((range) => {
      compare(range.approximate, undefined, "a place that is only about");
      return Array.from({ length: range.count }, (_, index): Place => {
        const { firstSequence, publishedAt: at, duplicate } = range;
        return { sequence: firstSequence + index, publishedAt: at, duplicate };
      });
    });
  });
}

function refusedBy({ code, data }: PublishReply["refusals"][number]): unknown {
  if (code === ErrorCode.Conflict) {
    return data.producer ?? "lastSequence";
  }
  return code === ErrorCode.TooLarge ? "refused" : code === ErrorCode.LimitReached ? "limit" : code;
}
