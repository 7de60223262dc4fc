import { CLIENT_LIMITS } from "../../protocol/client-limits.ts";

import { stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";

/** How long a finished message may stay unacked when no more arrive; less when the ack deadline is short. */
const IDLE_MS = 200;

/** Messages of one frame that count in the server's window, each with an equal share of the frame's length. */
type InFlight = { sequences: readonly number[]; readonly characters: number };

/**
 * The acks of one server subscription. They are cumulative: one is sent when half the window is done, or a moment after
 * the last message is, and never one for each message.
 */
export class CumulativeAcks {
  readonly #send: (through: number) => void;
  readonly #mostMessages: number;
  readonly #delayMs: number;
  /** Received on this server subscription with a message that is not done, in order. */
  #inFlight: InFlight[] = [];
  /** Messages of the first of them that are done. */
  #next = 0;
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
    if (first <= (this.#inFlight.at(-1)?.sequences.at(-1) ?? 0)) {
      // The server went back and sends these again: each counts once.
      for (const frame of this.#inFlight) {
        frame.sequences = frame.sequences.filter((sequence) => sequence < first);
      }
    }
    const sequences = messages.map(({ sequence }) => sequence);
    this.#inFlight.push({ sequences, characters: characters / messages.length });
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
    for (let [frame] = this.#inFlight; frame !== undefined; [frame] = this.#inFlight) {
      const sequence = frame.sequences[this.#next];
      if (sequence === undefined) {
        this.#inFlight.shift();
        this.#next = 0;
      } else if (sequence <= this.#finished) {
        this.#next += 1;
        this.#done = Math.max(this.#done, sequence);
        this.#messages += 1;
        this.#characters += frame.characters;
      } else {
        break;
      }
    }
    if (this.#done <= this.#acked) {
      return;
    }
    // The server's window is bounded in bytes too.
    if (this.#messages >= this.#mostMessages || this.#characters >= CLIENT_LIMITS.outgoingPauseBytes / 2) {
      this.flush();
    } else {
      this.#timer ??= setTimeout(() => this.flush(), this.#delayMs);
    }
  }
}
