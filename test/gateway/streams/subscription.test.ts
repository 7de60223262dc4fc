import fc from "fast-check";
import { test } from "vitest";

import { MessageBatch } from "../../../src/gateway/message-batch.ts";
import { StreamSubscription } from "../../../src/gateway/streams/subscription.ts";
import type { StreamSubscriptionSpec } from "../../../src/gateway/streams/subscription.ts";
import {
  joinMessages,
  utf8Bytes,
  messageBody,
  messageText,
  splitMessages,
} from "../../../src/internal/message-text.ts";
import type { MessageText } from "../../../src/internal/message-text.ts";

const ACK_WAIT_MS = 100;

const SPEC: StreamSubscriptionSpec = {
  id: 1,
  stream: "orders",
  name: "orders",
  epoch: "epoch",
  filter: undefined,
  maxInFlight: 5,
  ackWaitMs: ACK_WAIT_MS,
  maxDeliver: 1_000,
};

/** What became of each sequence of the log: the message matches the filter, does not, or is deleted. */
const log = fc.array(fc.constantFrom("matches", "matches", "passes by", "deleted"), { minLength: 12, maxLength: 12 });

const commands = fc.array(
  fc.record({
    kind: fc.constantFrom(
      "deliver",
      "deliver",
      "ack",
      "ackAnything",
      "expire",
      "evict",
      "evictAndAck",
      "evictAndDeliver",
    ),
    amount: fc.nat({ max: 5 }),
  }),
  { maxLength: 40 },
);

/** A subscription to a log that is there already, and what its client was sent. */
class World {
  readonly #messages: readonly MessageText[];
  readonly #spec: StreamSubscriptionSpec;
  readonly #sent = new Set<number>();
  #subscription: StreamSubscription;
  #nowMs = 1;

  constructor(fates: readonly string[], isFiltered: boolean) {
    this.#messages = fates.flatMap((fate, index) => {
      const body = messageBody({ data: index, subject: fate === "matches" ? "a" : "b" });
      return fate === "deleted" ? [] : splitMessages(messageText(index + 1, 1, body));
    });
    this.#spec = { ...SPEC, filter: isFiltered ? "a" : undefined };
    const start = { sequence: 0, publishedAt: 0, notBefore: undefined };
    this.#subscription = new StreamSubscription(this.#spec, start, (frame) => this.#receive(frame));
  }

  run(kind: string, amount: number): void {
    this.#nowMs += 1;
    const sent = [...this.#sent].toSorted((a, b) => a - b);
    const ack = () => this.#subscription.ack(sent.at(-1 - amount) ?? 0, this.#nowMs);
    if (kind === "deliver") {
      this.#deliver(amount + 1);
    } else if (kind === "ack") {
      ack();
    } else if (kind === "ackAnything" && this.#subscription.isCounted) {
      // Up to where this round came; an earlier one's messages are known by their acks only.
      this.#subscription.ack(Math.min(amount + 1, this.#subscription.unackedRange.last), this.#nowMs);
    } else if (kind === "expire") {
      this.#nowMs += ACK_WAIT_MS;
      this.#subscription.expire(this.#nowMs, () => true);
    } else if (kind.startsWith("evict")) {
      this.#evict();
      if (kind === "evictAndAck") {
        ack();
      } else if (kind === "evictAndDeliver") {
        this.#deliver(amount + 1);
      }
      this.#recount();
    }
  }

  /** Text that counts as unacked when all that was sent is acked. */
  get unackedBytesAtLast(): number {
    this.#subscription.ack(this.#subscription.highest, this.#nowMs);
    return this.#subscription.unackedBytes;
  }

  #deliver(count: number): void {
    const first = this.#subscription.cursor + 1;
    const last = first + count - 1;
    const within = this.#messages.filter(({ sequence }) => sequence >= first && sequence <= last);
    const text = joinMessages(within);
    this.#subscription.offer(
      new MessageBatch({ first, last, publishedAt: 1, count: within.length, bytes: utf8Bytes(text), text }),
      this.#nowMs,
    );
  }

  #evict(): void {
    const { rounds } = this.#subscription;
    const send = (frame: string) => this.#receive(frame);
    this.#subscription = StreamSubscription.restore(this.#spec, this.#subscription.toStored(false), { rounds, send });
  }

  #recount(): void {
    const { first, last } = this.#subscription.unackedRange;
    this.#subscription.recount(this.#messages.filter(({ sequence }) => sequence >= first && sequence <= last));
  }

  /** Whatever was acked or sent again: the message sent before the first of a frame is the one sent just below it. */
  #receive(frame: string): void {
    const { method, params } = JSON.parse(frame);
    if (method !== "messages") {
      return;
    }
    const sequences: number[] = params.messages.map(({ sequence }: { sequence: number }) => sequence);
    const [first = 0] = sequences;
    const before = Math.max(0, ...[...this.#sent].filter((sequence) => sequence < first));
    if (params.previous !== before) {
      throw new Error(`previous ${params.previous} before ${sequences.join()}, where ${before} was sent`);
    }
    sequences.forEach((sequence) => this.#sent.add(sequence));
  }
}

test("tells with every frame which message was sent before it, and counts what is unacked, however it was acked and sent again", () => {
  fc.assert(
    fc.property(log, fc.boolean(), commands, (fates, isFiltered, list) => {
      const world = new World(fates, isFiltered);
      list.forEach(({ kind, amount }) => world.run(kind, amount));
      return world.unackedBytesAtLast === 0;
    }),
    { numRuns: 5_000 },
  );
});
