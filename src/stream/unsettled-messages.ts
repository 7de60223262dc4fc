import { SequenceQueue } from "./sequence-queue.ts";
import { isInFlightAt } from "./unsettled.ts";
import type { Unsettled } from "./unsettled.ts";

type Holder = { readonly given: SequenceQueue; inFlight: number };

/**
 * The unsettled messages of one consumer, in every order the cursor asks for: by sequence, by ack deadline, by
 * redelivery time, by holder. Each change costs O(log n).
 */
export class UnsettledMessages {
  /** In strict order the next one to wait for is the lowest of all, and not the first to be due. */
  isStrict: boolean;
  readonly #messages = new Map<number, Unsettled>();
  readonly #bySequence = new SequenceQueue();
  readonly #byDeadline = new SequenceQueue();
  readonly #byRedelivery = new SequenceQueue();
  readonly #holders = new Map<string, Holder>();
  #redelivered = 0;
  #version = 0;

  constructor(isStrict: boolean) {
    this.isStrict = isStrict;
  }

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#messages.size;
  }

  get inFlight(): number {
    return this.#byDeadline.size;
  }

  get waiting(): number {
    return this.#byRedelivery.size;
  }

  /** How many of them were handed out more than once. */
  get redelivered(): number {
    return this.#redelivered;
  }

  get lowest(): Unsettled | undefined {
    return this.#at(this.#bySequence.first);
  }

  /** The first to pass its ack deadline. */
  get nextInFlight(): Unsettled | undefined {
    return this.#at(this.#byDeadline.first);
  }

  /** Whose turn it is among the waiting, due or not. */
  get nextWaiting(): Unsettled | undefined {
    const next = this.isStrict ? this.lowest : this.#at(this.#byRedelivery.first);
    return next?.state === "waiting" ? next : undefined;
  }

  get(sequence: number): Unsettled | undefined {
    return this.#messages.get(sequence);
  }

  inFlightOf(holder: string): number {
    return this.#holders.get(holder)?.inFlight ?? 0;
  }

  /** Whoever was given something and did not give it back. */
  get holders(): string[] {
    return [...this.#holders.keys()];
  }

  /** What waits for a time at or before `nowMs` and may go out, in that order, at most `limit`. */
  due(nowMs: number, limit: number): Unsettled[] {
    if (!this.isStrict) {
      return this.#all(this.#byRedelivery.firstUpTo(nowMs, limit));
    }
    const next = this.nextWaiting;
    return next !== undefined && next.dueAt <= nowMs && limit > 0 ? [next] : [];
  }

  /** What is in flight with an ack deadline at or before `nowMs`. */
  overdue(nowMs: number): Unsettled[] {
    return this.#all(this.#byDeadline.firstUpTo(nowMs, Infinity));
  }

  /** What a holder was given and did not give back, up to a sequence. */
  givenTo(holder: string, through: number): Unsettled[] {
    return this.#all(this.#holders.get(holder)?.given.firstUpTo(through, Infinity) ?? []);
  }

  /** Everything up to a sequence. */
  upTo(through: number): Unsettled[] {
    return this.#all(this.#bySequence.firstUpTo(through, Infinity));
  }

  inOrder(): Unsettled[] {
    return [...this.#messages.values()].toSorted((a, b) => a.sequence - b.sequence);
  }

  /** Adds a message, or replaces what was known of it. */
  put(message: Unsettled): void {
    const { sequence, state, dueAt, deliveries, holders } = message;
    this.remove(sequence);
    this.#version++;
    this.#messages.set(sequence, message);
    this.#bySequence.set(sequence, sequence);
    (state === "inFlight" ? this.#byDeadline : this.#byRedelivery).set(sequence, dueAt);
    this.#redelivered += deliveries > 1 ? 1 : 0;

    for (const name of holders) {
      const holder = this.#holders.get(name) ?? { given: new SequenceQueue(), inFlight: 0 };
      this.#holders.set(name, holder);
      holder.given.set(sequence, sequence);
      holder.inFlight += isInFlightAt(name, message) ? 1 : 0;
    }
  }

  remove(sequence: number): void {
    const message = this.#messages.get(sequence);
    if (message === undefined) {
      return;
    }

    this.#version++;
    this.#messages.delete(sequence);
    this.#bySequence.delete(sequence);
    this.#byDeadline.delete(sequence);
    this.#byRedelivery.delete(sequence);
    this.#redelivered -= message.deliveries > 1 ? 1 : 0;
    for (const name of message.holders) {
      this.#takeFrom(name, message);
    }
  }

  #takeFrom(name: string, message: Unsettled): void {
    const holder = this.#holders.get(name);
    if (holder === undefined) {
      return;
    }

    holder.given.delete(message.sequence);
    holder.inFlight -= isInFlightAt(name, message) ? 1 : 0;
    if (holder.given.size === 0) {
      this.#holders.delete(name);
    }
  }

  #all(sequences: readonly number[]): Unsettled[] {
    return sequences.flatMap((sequence) => this.#messages.get(sequence) ?? []);
  }

  #at(sequence: number | undefined): Unsettled | undefined {
    return sequence === undefined ? undefined : this.#messages.get(sequence);
  }
}
