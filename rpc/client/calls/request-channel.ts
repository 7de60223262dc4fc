import { traitsOf } from "../../methods/method-traits.ts";
import { LIMITS } from "../../protocol/limits.ts";

import type { DurableStreamError } from "../error.ts";
import type { Incoming } from "../connection/frame.ts";
import { monotonicMs, startTimer, stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";

/** The outcome of a request on its socket. */
export type Outcome =
  | { readonly kind: "result"; readonly result: object }
  | { readonly kind: "error"; readonly error: DurableStreamError }
  /** Its socket is gone. `mayBeDone` is false when the server refused the socket, and so read nothing on it. */
  | { readonly kind: "lost"; readonly mayBeDone: boolean };

/** A request for one socket. `settle` is called exactly once. */
export type Request = {
  readonly method: string;
  /** JSON text. */
  readonly params: string;
  /** It was sent. */
  sent?(): void;
  settle(outcome: Outcome): void;
};

type Pending = { readonly request: Request; readonly size: number; readonly sentAt: number };

/** Most characters in requests without an answer. A single longer request is sent alone. */
const MAX_CHARACTERS_IN_FLIGHT = LIMITS.outgoingPauseBytes;

/** What a channel needs of its socket. */
export type ChannelSocket = {
  send(frame: string): void;
  /** The server has answered a request. */
  proven(): void;
  drop(reason: string): void;
};

/**
 * Sends requests and matches answers to them, over one socket after another. It never has more requests in flight than the
 * server takes, and drops a socket on which a request is not answered in time. Unbounded methods may take any time.
 */
export class RequestChannel {
  readonly #socket: ChannelSocket;
  readonly #answerTimeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  #characters = 0;
  /** Never reused, not even on the next socket, so that a late or second answer matches nothing. */
  #lastId = 0;
  #isOpen = false;
  #watch: Timer | undefined;

  constructor(socket: ChannelSocket, answerTimeoutMs: number) {
    this.#socket = socket;
    this.#answerTimeoutMs = answerTimeoutMs;
  }

  /** How many requests may be sent now. */
  get room(): number {
    return this.#isOpen ? LIMITS.requestsInFlight - this.#pending.size : 0;
  }

  /** Whether so many characters may be sent now. */
  hasRoomFor(characters: number): boolean {
    return this.#characters === 0 || this.#characters + characters <= MAX_CHARACTERS_IN_FLIGHT;
  }

  opened(): void {
    this.#isOpen = true;
  }

  /** Sends requests in one frame: a batch if there is more than one. */
  send(requests: readonly Request[]): void {
    const sentAt = monotonicMs();
    const texts = requests.map((request) => {
      this.#lastId += 1;
      this.#pending.set(this.#lastId, { request, size: request.params.length, sentAt });
      this.#characters += request.params.length;
      request.sent?.();
      return `{"jsonrpc":"2.0","id":${this.#lastId},"method":${JSON.stringify(request.method)},"params":${request.params}}`;
    });
    this.#watchAnswers();
    this.#socket.send(texts.length === 1 ? texts.join("") : `[${texts.join(",")}]`);
  }

  /** Sends a notification; without an open socket it is dropped. */
  notify(method: string, params: string): void {
    if (this.#isOpen) {
      this.#socket.send(`{"jsonrpc":"2.0","method":"${method}","params":${params}}`);
    }
  }

  /** Takes an answer. One to an unknown request is dropped. */
  answered(answer: Exclude<Incoming, { kind: "notification" }>): void {
    const { id } = answer;
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (typeof id !== "number" || pending === undefined) {
      if (id === null) {
        // The server could not parse a frame, so some request will never be answered.
        this.#socket.drop("a frame was not understood");
      }
      return;
    }
    this.#pending.delete(id);
    this.#characters -= pending.size;
    this.#socket.proven();
    pending.request.settle(answer);
  }

  /** The socket is gone: every request in flight is lost. */
  lost(mayBeDone: boolean): void {
    this.#isOpen = false;
    stopTimer(this.#watch);
    this.#watch = undefined;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    this.#characters = 0;
    for (const { request } of pending) {
      request.settle({ kind: "lost", mayBeDone });
    }
  }

  /** Watches the oldest bounded request. */
  #watchAnswers(): void {
    const oldest = this.#oldest();
    if (this.#watch !== undefined || oldest === undefined) {
      return;
    }
    this.#watch = startTimer(oldest.sentAt + this.#answerTimeoutMs - monotonicMs(), () => {
      this.#watch = undefined;
      const unanswered = this.#oldest();
      if (unanswered !== undefined && monotonicMs() - unanswered.sentAt >= this.#answerTimeoutMs) {
        this.#socket.drop(`${unanswered.request.method} was not answered`);
      } else {
        this.#watchAnswers();
      }
    });
  }

  /** Requests are answered in any order, but the map keeps the order of sending. */
  #oldest(): Pending | undefined {
    for (const pending of this.#pending.values()) {
      if (traitsOf(pending.request.method)?.unbounded !== true) {
        return pending;
      }
    }
    return undefined;
  }
}
