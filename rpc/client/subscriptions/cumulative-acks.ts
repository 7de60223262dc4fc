import { LIMITS } from "../../limits.ts";

import { stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";

/** How long a finished message may stay unacked when nothing more comes; less where the ack deadline is short. */
const IDLE_MS = 200;

/** A message that takes a place in the server's window, and its share of the frame it came in. */
type InFlight = { readonly sequence: number; readonly characters: number };

/**
 * The acks of one subscription on one socket. They are cumulative, so one is sent when half the window is done, or a
 * moment after the last message was, and never one for each.
 */
export class CumulativeAcks {
  readonly #send: (through: number) => void;
  readonly #mostMessages: number;
  readonly #delayMs: number;
  /** What came on this socket and is not done, in order. */
  #inFlight: InFlight[] = [];
  /** Everything up to here is done, wherever it came from. */
  #finished: number;
  #acked: number;
  /** What came on this socket, is done, and was not acked: up to which sequence, how many and how long. */
  #done: number;
  #messages = 0;
  #characters = 0;
  #timer: Timer | undefined;

  /** @param at What is done already, and what the server takes for done. */
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

  /** Messages came in a frame of so many characters; what was handed on and done before may be among them. */
  came(messages: readonly { readonly sequence: number }[], characters: number): void {
    const first = messages[0]?.sequence ?? 0;
    if (first <= (this.#inFlight.at(-1)?.sequence ?? 0)) {
      // The server went back: what it sends again takes one place only.
      this.#inFlight = this.#inFlight.filter(({ sequence }) => sequence < first);
    }
    const share = characters / messages.length;
    this.#inFlight.push(...messages.map(({ sequence }) => ({ sequence, characters: share })));
    // What was acked comes again: that ack is lost, and the next one tells of the same.
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

  /** The socket is gone, or the subscription. */
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
    // The server also pauses by bytes.
    if (this.#messages >= this.#mostMessages || this.#characters >= LIMITS.outgoingPauseBytes / 2) {
      this.flush();
    } else {
      this.#timer ??= setTimeout(() => this.flush(), this.#delayMs);
    }
  }
}
