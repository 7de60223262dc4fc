import { LIMITS } from "../limits.ts";

import { stopTimer } from "./timer.ts";
import type { Timer } from "./timer.ts";

/** How long a finished message may stay unacked when nothing more comes; less where the ack deadline is short. */
const IDLE_MS = 200;

/**
 * The acks of one subscription on one socket. They are cumulative, so one is sent when half the window is done, or a
 * moment after the last message was, and never one for each.
 */
export class Acks {
  readonly #send: (through: number) => void;
  readonly #mostMessages: number;
  readonly #delayMs: number;
  /** The highest sequence that came on this socket: none beyond it can be acked. */
  #sent = 0;
  #finished: number;
  #acked: number;
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
    this.#mostMessages = Math.max(1, Math.floor(window.maxInFlight / 2));
    this.#delayMs = Math.min(IDLE_MS, window.ackWaitMs / 4);
    this.#send = send;
  }

  /** Messages came, so many of which were handed on before. */
  came({ first, last }: { first: number; last: number }, doneAlready: number): void {
    this.#sent = Math.max(this.#sent, last);
    // What was acked comes again: that ack is lost, and this one tells of the same.
    this.#acked = Math.min(this.#acked, first - 1);
    this.#messages += doneAlready;
    this.#consider();
  }

  /** A message is done, and with it so many characters of the window. */
  finish(through: number, characters: number): void {
    this.#finished = Math.max(this.#finished, through);
    this.#messages += 1;
    this.#characters += characters;
    this.#consider();
  }

  /** Acks what is done, now. */
  flush(): void {
    stopTimer(this.#timer);
    this.#timer = undefined;
    const through = Math.min(this.#finished, this.#sent);
    if (through > this.#acked) {
      this.#acked = through;
      this.#messages = 0;
      this.#characters = 0;
      this.#send(through);
    }
  }

  /** The socket is gone, or the subscription. */
  stop(): void {
    stopTimer(this.#timer);
    this.#timer = undefined;
  }

  #consider(): void {
    if (Math.min(this.#finished, this.#sent) <= this.#acked) {
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
