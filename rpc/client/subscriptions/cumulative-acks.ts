import { LIMITS } from "../../protocol/limits.ts";

import { stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";

/** How long a finished message may stay unacked when no more arrive; less when the ack deadline is short. */
const IDLE_MS = 200;

/** A message that counts in the server's window, with its share of its frame's length. */
type InFlight = { readonly sequence: number; readonly characters: number };

/**
 * The acks of one server subscription. They are cumulative: one is sent when half the window is done, or a moment after
 * the last message is, and never one for each message.
 */
export class CumulativeAcks {
  readonly #send: (through: number) => void;
  readonly #mostMessages: number;
  readonly #delayMs: number;
  /** Messages received on this server subscription that are not done, in order. */
  #inFlight: InFlight[] = [];
  /** Everything up to here is done, on whichever socket it was received. */
  #finished: number;
  #acked: number;
  /** Received on this server subscription, done and not acked: the last sequence, the count and the characters. */
  #done: number;
  #messages = 0;
  #characters = 0;
  #timer: Timer | undefined;

  /** @param at The last sequence that is done, and the last one that the server counts as acked. */
  constructor(
    window: { maxInFlight: number; ackWaitMs: number },
    at: { done: number; acked: number },
    send: (through: number) => void,
  ) {
    this.#finished = at.done;
    this.#acked = at.acked;
    this.#done = at.acked;
    this.#mostMessages = Math.max(1, Math.floor(window.maxInFlight / 2));
    this.#delayMs = Math.min(IDLE_MS, window.ackWaitMs / 4);
    this.#send = send;
  }

  /** Messages were received in a frame of so many characters. Some may have been delivered and done before. */
  received(messages: readonly { readonly sequence: number }[], characters: number): void {
    const first = messages[0]?.sequence ?? 0;
    if (first <= (this.#inFlight.at(-1)?.sequence ?? 0)) {
      // The server went back and sends these again: each counts once.
      this.#inFlight = this.#inFlight.filter(({ sequence }) => sequence < first);
    }
    const share = characters / messages.length;
    this.#inFlight.push(...messages.map(({ sequence }) => ({ sequence, characters: share })));
    // An acked message is sent again: its ack was lost, and the next one covers it too.
    this.#acked = Math.min(this.#acked, first - 1);
    this.#count();
  }

  /** Everything up to a sequence is done. */
  finish(through: number): void {
    this.#finished = Math.max(this.#finished, through);
    this.#count();
  }

  /** Acks what is done, now. */
  flush(): void {
    stopTimer(this.#timer);
    this.#timer = undefined;
    if (this.#done > this.#acked) {
      this.#acked = this.#done;
      this.#messages = 0;
      this.#characters = 0;
      this.#send(this.#done);
    }
  }

  /** The server subscription is gone: sends nothing more. */
  stop(): void {
    stopTimer(this.#timer);
    this.#timer = undefined;
  }

  #count(): void {
    let done = 0;
    for (const { sequence, characters } of this.#inFlight) {
      if (sequence > this.#finished) {
        break;
      }
      this.#done = Math.max(this.#done, sequence);
      this.#characters += characters;
      done += 1;
    }
    this.#inFlight.splice(0, done);
    this.#messages += done;
    if (this.#done <= this.#acked) {
      return;
    }
    // The server's window is bounded in bytes too.
    if (this.#messages >= this.#mostMessages || this.#characters >= LIMITS.outgoingPauseBytes / 2) {
      this.flush();
    } else {
      this.#timer ??= setTimeout(() => this.flush(), this.#delayMs);
    }
  }
}
