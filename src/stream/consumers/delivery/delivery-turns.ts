import { turnFor } from "../../../platform/pace.ts";
import { TurnLoop } from "../../turns.ts";
import type { Consumer } from "../consumer.ts";

import { Dispatcher } from "./dispatcher.ts";
import type { AddressedBatch } from "./dispatcher.ts";
import type { LogReader } from "./log-reader.ts";

/** Twice as long as a turn takes, with what its gateways do to send what it delivers. */
const TURN_MS = 4;
/** What a turn waits for others: a stream goes on by some megabytes a second whatever else its isolate does. */
const WAITS_MS = { least: 2, most: 50 };

/** The consumers of a stream, in the order of their turns. */
type Consumers = { readonly all: readonly Consumer[]; moveToBack(consumer: Consumer): void };

/** What delivers uses of its stream. */
type DeliveryHost = { readonly ctx: DurableObjectState; readonly consumers: Consumers; readonly reader: LogReader };

/** Delivers to the consumers of a stream, at once as much as a turn may, and what is left in further turns. */
export class DeliveryTurns {
  readonly #consumers: Consumers;
  readonly #reader: LogReader;
  readonly #loop: TurnLoop;
  #batches: AddressedBatch[] = [];
  #isBehind = false;

  /**
   * @param turn Runs a transaction that calls {@link deliver}; false when there is nobody to deliver to any more.
   * @param failed Is told why that has thrown.
   */
  constructor({ ctx, consumers, reader }: DeliveryHost, turn: () => boolean, failed: (error: unknown) => void) {
    this.#consumers = consumers;
    this.#reader = reader;
    this.#loop = new TurnLoop(
      ctx,
      () => turn() && this.#isBehind,
      failed,
      () => turnFor(TURN_MS, WAITS_MS),
    );
  }

  /** Whether the last delivery stopped at its bounds, with messages left to deliver. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** Delivers what is due, within a transaction. Not when a turn is to come that does: many calls would hold up the stream. */
  deliver(nowMs: number): void {
    if (this.#loop.isPending) {
      return;
    }
    const dispatcher = new Dispatcher(this.#reader, nowMs);
    this.#isBehind = false;
    for (const consumer of this.#consumers.all) {
      // Round robin: a consumer that had its turn moves to the back; those that come after the bounds are hit do not.
      if (dispatcher.isSpent) {
        this.#isBehind = dispatcher.mayServe(consumer);
      } else {
        this.#isBehind = !dispatcher.dispatch(consumer);
        this.#consumers.moveToBack(consumer);
      }
      if (this.#isBehind) {
        break;
      }
    }
    this.#batches.push(...dispatcher.batches);
  }

  /** After the transaction: what is to be pushed. What is left is delivered by the next turn. */
  take(): AddressedBatch[] {
    if (this.#isBehind) {
      this.#loop.start();
    }
    return this.#batches.splice(0);
  }
}
