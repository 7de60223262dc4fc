import { LIMITS } from "../../limits.ts";

import type { DurableStreamError } from "../error.ts";
import type { Incoming } from "../connection/frame.ts";
import { monotonicMs, startTimer, stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";

/** What became of a request on its socket. */
export type Outcome =
  | { readonly kind: "result"; readonly result: object }
  | { readonly kind: "error"; readonly error: DurableStreamError }
  /** Its socket is gone; a change `mayBeDone` unless that socket was refused before anything of it was read. */
  | { readonly kind: "lost"; readonly mayBeDone: boolean };

/** A request to be sent on one socket; it is settled exactly once. */
export type Request = {
  readonly method: string;
  /** JSON text. */
  readonly params: string;
  /** It is on the socket. */
  sent?(): void;
  settle(outcome: Outcome): void;
};

type Pending = { readonly request: Request; readonly size: number; readonly sentAt: number };

/** Characters on the way and not answered; a single longer request goes alone. */
const MAX_CHARACTERS_IN_FLIGHT = LIMITS.outgoingPauseBytes;

/** What a wire may do to its socket. */
export type ChannelSocket = {
  send(frame: string): void;
  /** The server behind it does its work. */
  proven(): void;
  drop(reason: string): void;
};

/**
 * Requests and answers of one socket after the other. It sends no more than the server takes, matches answers to
 * requests, and gives up a socket on which a request stays without an answer.
 */
export class RequestChannel {
  readonly #socket: ChannelSocket;
  readonly #answerTimeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  #characters = 0;
  /** Never reused, also not on the next socket: an answer that comes late or twice finds nothing. */
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

  /** Sends a request that is not answered; without a socket it is as good as lost. */
  notify(method: string, params: string): void {
    if (this.#isOpen) {
      this.#socket.send(`{"jsonrpc":"2.0","method":"${method}","params":${params}}`);
    }
  }

  /** Takes an answer. One to a request that nobody waits for is dropped. */
  answered(answer: Exclude<Incoming, { kind: "notification" }>): void {
    const { id } = answer;
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (typeof id !== "number" || pending === undefined) {
      if (id === null) {
        // The server could not read a frame, so that some request will have no answer.
        this.#socket.drop("a frame was not understood");
      }
      return;
    }
    this.#pending.delete(id);
    this.#characters -= pending.size;
    this.#socket.proven();
    pending.request.settle(answer);
  }

  /** The socket is gone, and with it every answer. */
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

  /** Watches the request that waits longest; requests are answered in any order, but kept in that of sending. */
  #watchAnswers(): void {
    const [oldest] = this.#pending.values();
    if (this.#watch !== undefined || oldest === undefined) {
      return;
    }
    this.#watch = startTimer(oldest.sentAt + this.#answerTimeoutMs - monotonicMs(), () => {
      this.#watch = undefined;
      const [waiting] = this.#pending.values();
      if (waiting !== undefined && monotonicMs() - waiting.sentAt >= this.#answerTimeoutMs) {
        this.#socket.drop(`${waiting.request.method} was not answered`);
      } else {
        this.#watchAnswers();
      }
    });
  }
}
