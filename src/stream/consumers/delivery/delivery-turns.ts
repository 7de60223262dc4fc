import { turnFor } from "../../../platform/scheduling/pace.ts";
import { TurnLoop } from "../../scheduling/turns.ts";
import type { Consumer } from "../consumer.ts";
import type { DeadLetters } from "../dead-letters/dead-letters.ts";
import { expire } from "../acks/expire.ts";
import { TurnWork } from "../acks/turn-work.ts";

import { Dispatcher } from "./dispatcher.ts";
import type { AddressedBatch } from "./dispatcher.ts";
import type { LogReader } from "./log-reader.ts";

/** Twice as long as a turn takes, with what its gateways do to send what it delivers. */
const TURN_MS = 4;
/** What a turn waits for others: a stream goes on by some megabytes a second whatever else its isolate does. */
const WAITS_MS = { least: 2, most: 50 };

/** The consumers of a stream, in the order of their turns. */
type Consumers = {
  readonly all: readonly Consumer[];
  readonly inTurn: readonly Consumer[];
  moveToBack(consumer: Consumer): void;
};

/** What delivers uses of its stream. */
type DeliveryHost = {
  readonly ctx: DurableObjectState;
  /** False when the stream was loaded anew, and another one delivers for it. */
  readonly isCurrent: () => boolean;
  /** Is told why a turn has thrown. */
  readonly failed: (error: unknown) => void;
  readonly consumers: Consumers;
  readonly deadLetters: DeadLetters;
  readonly reader: LogReader;
};

/**
 * Takes back what is overdue, and delivers to the consumers of a stream: at once as much as a turn may, and what is left in
 * further turns.
 */
export class DeliveryTurns {
  readonly #consumers: Consumers;
  readonly #deadLetters: DeadLetters;
  readonly #reader: LogReader;
  readonly #loop: TurnLoop;
  #batches: AddressedBatch[] = [];
  #isBehind = false;

  /** @param turn Runs a transaction that calls {@link deliver}. */
  constructor(host: DeliveryHost, turn: () => void) {
    this.#consumers = host.consumers;
    this.#deadLetters = host.deadLetters;
    this.#reader = host.reader;
    this.#loop = new TurnLoop(
      host.ctx,
      () => {
        if (!host.isCurrent()) {
          return false;
        }
        turn();
        return this.#isBehind;
      },
      host.failed,
      () => turnFor(TURN_MS, WAITS_MS),
    );
  }

  /** Whether the last turn stopped at its bounds, with messages left to take back or to deliver. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** Does so, within a transaction. Not when a turn is to come that does: many calls would hold up the stream. */
  deliver(nowMs: number): void {
    if (this.#loop.isPending) {
      return;
    }
    const isExpired = expire(this.#consumers.all, this.#deadLetters, nowMs);
    const turn = { dispatcher: new Dispatcher(this.#reader, nowMs), work: new TurnWork() };
    const isDelivered = this.#consumers.inTurn.every((consumer) => this.#dispatch(consumer, turn));
    this.#isBehind = !isExpired || !isDelivered;
    this.#batches.push(...turn.dispatcher.batches);
  }

  /** After the transaction: what is to be pushed. What is left is delivered by the next turn. */
  take(): AddressedBatch[] {
    if (this.#isBehind) {
      this.#loop.start();
    }
    return this.#batches.splice(0);
  }

  /** Returns whether a consumer has all that it can have now. */
  #dispatch(consumer: Consumer, { dispatcher, work }: { dispatcher: Dispatcher; work: TurnWork }): boolean {
    if (dispatcher.isSpent || work.isSpentFor(consumer)) {
      return !dispatcher.mayServe(consumer);
    }
    // Round robin: a consumer that had its turn moves to the back; those that come after the bounds are hit do not.
    this.#consumers.moveToBack(consumer);
    return work.change(consumer, () => dispatcher.dispatch(consumer));
  }
}
