import type { ProducerState } from "../../protocol/errors.ts";

import type { DurableStreamError } from "../error.ts";
import type { Publish } from "./publish.ts";

/** How far apart two epochs are, at most, of which one takes over from the other. */
const EPOCH_STEP = 2 ** 31;

/**
 * The numbers of one producer in one stream, by which the server stores each message once and in order.
 *
 * A number is given when a publish is sent first. After one was refused, those behind it can not go on with theirs: what
 * is left is numbered anew, from 1 in the next epoch. That closes the epoch before, so that nothing of it which is still on
 * its way is stored beside its repetition; and it says where that epoch is to have ended (`after`), so that what was stored
 * of it in the last moment is found.
 */
export class ProducerNumbers {
  /** JSON text. */
  readonly #id: string;
  /** Undefined until a producer that outlives its process has found out which epoch is the next. */
  #epoch: number | undefined;
  /** The last sequence given. */
  #given = 0;
  /** The last sequence known to be stored in this epoch; 0 while none is. */
  #stored = 0;
  /** Where the epoch before ended; undefined in the first one. */
  #after: ProducerState | undefined;
  #isBroken = false;
  /** How often in a row all was numbered anew because the server said so, and nothing was stored or refused. */
  #conflicts = 0;
  /** What the server says of the first that was not stored. */
  #conflict: { readonly order: number; readonly at: ProducerState } | undefined;

  /** @param epoch Undefined when it has to be found out first. */
  constructor(id: string, epoch: number | undefined) {
    this.#id = JSON.stringify(id);
    this.#epoch = epoch;
  }

  /** Whether the epoch has to be found out first. */
  get isUnknown(): boolean {
    return this.#epoch === undefined;
  }

  /** An epoch that was not used. */
  get nextEpoch(): number {
    return (this.#epoch ?? 0) + 1;
  }

  /** Whether numbering anew has not helped: then it is not done at once again. */
  get isStuck(): boolean {
    return this.#conflicts > 1;
  }

  /** Takes over from where a producer of this name is. */
  begin({ epoch }: ProducerState): void {
    // At random, so that two of one name which begin at once do not take each other's messages for repetitions.
    this.#epoch = epoch + 1 + Math.floor(Math.random() * EPOCH_STEP);
  }

  /** Gives a publish its number, unless it has one. Params that are no object take none: the server refuses them. */
  give(publish: Publish): void {
    if (publish.messages > 0 && publish.number === undefined && publish.params?.startsWith("{") === true) {
      publish.number = { epoch: this.#epoch ?? 0, sequence: this.#given };
      this.#given += publish.messages;
    }
  }

  /** The params that a publish is sent with: JSON text. */
  paramsOf({ params = "", number }: Publish): string {
    if (number === undefined) {
      return params;
    }
    const { epoch, sequence } = number;
    const isFirst = sequence === 0 && epoch === this.#epoch && this.#after !== undefined;
    const after = isFirst ? `,"after":${JSON.stringify(this.#after)}` : "";
    const producer = `{"id":${this.#id},"epoch":${epoch},"sequence":${sequence + 1}${after}}`;
    return params === "{}" ? `{"producer":${producer}}` : `{"producer":${producer},${params.slice(1)}`;
  }

  /** It is stored. */
  stored({ number, messages }: Publish): void {
    if (number !== undefined && number.epoch === this.#epoch) {
      this.#stored = Math.max(this.#stored, number.sequence + messages);
      this.#conflicts = 0;
    }
  }

  /** It was refused for good: what is behind it has to be numbered anew, unless another has taken the producer over. */
  refused({ number }: Publish, error: DurableStreamError): void {
    const isTakenOver = number !== undefined && (positionOf(error)?.epoch ?? 0) > number.epoch;
    this.#isBroken ||= number?.epoch === this.#epoch && !isTakenOver;
  }

  /**
   * Takes note of a Conflict that says it was not the publish's turn.
   *
   * @returns Whether it may be sent again; not when another has taken the producer over.
   */
  conflicts({ number, order }: Publish, error: DurableStreamError): boolean {
    const at = positionOf(error);
    if (number === undefined || at === undefined || at.epoch > number.epoch) {
      return false;
    }
    if (this.#conflict === undefined || order < this.#conflict.order) {
      this.#conflict = { order, at };
    }
    return true;
  }

  /**
   * Numbers anew what is to be sent again, if it can not go on with its numbers; called when nothing is on the way.
   *
   * @param again In order.
   * @returns What is still to be sent.
   */
  renumber(again: readonly Publish[]): Publish[] {
    const [head] = again.filter(({ number }) => number !== undefined);
    const at = this.#conflict?.order === head?.order ? this.#conflict?.at : undefined;
    this.#conflict = undefined;
    if (this.#epoch === undefined || (!this.#isBroken && at === undefined)) {
      return [...again];
    }
    // What is stored of this epoch tells also of those before it.
    const stored = at ?? { epoch: this.#epoch, sequence: this.#stored };
    this.#after = at ?? (this.#stored > 0 ? stored : (this.#after ?? { epoch: 0, sequence: 0 }));
    this.#epoch += 1;
    this.#given = 0;
    this.#stored = 0;
    // A refusal is one publish fewer: the others are in conflict because of it.
    this.#conflicts = at === undefined || this.#isBroken ? 0 : this.#conflicts + 1;
    this.#isBroken = false;
    // What nobody waits for any more is not stored, and need not be.
    const wanted = again.filter(({ call }) => !call.isSettled);
    for (const publish of wanted) {
      if (publish.number !== undefined) {
        publish.former = [...publish.former, publish.number];
        publish.number = storedNumber(publish, stored);
        publish.isStored = publish.number !== undefined;
      }
    }
    return wanted;
  }
}

/** The number that a publish is stored with, if it is: a producer's messages are stored without a gap. */
function storedNumber({ former, messages }: Publish, at: ProducerState): ProducerState | undefined {
  return former.find(({ epoch, sequence }) => epoch === at.epoch && sequence + messages <= at.sequence);
}

/** Where the server says that the producer is. */
function positionOf(error: DurableStreamError): ProducerState | undefined {
  return error.name === "Conflict" ? error.data.producer : undefined;
}
