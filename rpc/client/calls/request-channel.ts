import { traitsOf } from "../../methods/method-traits.ts";
import { CLIENT_LIMITS } from "../../protocol/client-limits.ts";

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

/** Requests for one socket, which go in one frame. `settle` is called exactly once for each, with its index. */
export type Requests = {
  /** The method of the first one. */
  readonly method: string;
  /** Each as {@link requestText} makes it. */
  readonly texts: readonly string[];
  readonly settle: (outcome: Outcome, index: number) => void;
};

/** Requests that were sent, whose ids follow each other. */
type Sent = Pick<Requests, "method" | "settle"> & {
  readonly firstId: number;
  readonly sentAt: number;
  readonly characters: number;
  readonly isAnswered: boolean[];
  unanswered: number;
};

/** Most characters in frames without an answer, a part of what the server takes. A single longer one is sent alone. */
const MAX_CHARACTERS_IN_FLIGHT = CLIENT_LIMITS.requestBytesInFlight / 4;

/** What a channel needs of its socket. */
export type ChannelSocket = {
  send(frame: string): void;
  /** The server has answered a request. */
  proven(): void;
  drop(reason: string): void;
};

/** Whether a call came after the end of its socket's token. */
function isTokenOver(answer: Exclude<Incoming, { kind: "notification" }>): boolean {
  return answer.kind === "error" && answer.error.name === "Unauthenticated";
}

/** A request without its id. @param params JSON text. */
export function requestText(method: string, params: string): string {
  return `,"method":${JSON.stringify(method)},"params":${params}}`;
}

/**
 * Sends requests and matches answers to them, over one socket after another. It never has more requests in flight than the
 * server takes, and drops a socket on which a request is not answered in time. Unbounded methods may take any time.
 */
export class RequestChannel {
  readonly #socket: ChannelSocket;
  readonly #answerTimeoutMs: number;
  /** With unanswered requests, in the order of sending. */
  #sent: Sent[] = [];
  #inFlight = 0;
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
    return this.#isOpen ? CLIENT_LIMITS.requestsInFlight - this.#inFlight : 0;
  }

  /** Whether so many characters may be sent now. */
  hasRoomFor(characters: number): boolean {
    return this.#characters === 0 || this.#characters + characters <= MAX_CHARACTERS_IN_FLIGHT;
  }

  opened(): void {
    this.#isOpen = true;
  }

  /** Sends requests in one frame: a batch if there is more than one. */
  send({ method, texts, settle }: Requests): void {
    const firstId = this.#lastId + 1;
    let text = "";
    for (const rest of texts) {
      this.#lastId += 1;
      text += `${text === "" ? "" : ","}{"jsonrpc":"2.0","id":${this.#lastId}${rest}`;
    }
    const isAnswered = texts.map(() => false);
    const characters = text.length;
    this.#sent.push({
      method,
      settle,
      firstId,
      sentAt: monotonicMs(),
      characters,
      isAnswered,
      unanswered: texts.length,
    });
    this.#inFlight += texts.length;
    this.#characters += characters;
    this.#watchAnswers();
    this.#socket.send(texts.length === 1 ? text : `[${text}]`);
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
    if (typeof id !== "number") {
      if (id === null) {
        // The server could not parse a frame, so some request will never be answered.
        this.#socket.drop("a frame was not understood");
      }
      return;
    }
    // Most answers are to the oldest.
    const at = this.#sent.findIndex(({ firstId, isAnswered }) => id < firstId + isAnswered.length);
    const sent = this.#sent[at];
    const index = id - (sent?.firstId ?? 0);
    if (sent?.isAnswered[index] !== false) {
      return;
    }
    sent.isAnswered[index] = true;
    sent.unanswered -= 1;
    this.#inFlight -= 1;
    if (sent.unanswered === 0) {
      this.#sent.splice(at, 1);
      this.#characters -= sent.characters;
    }
    this.#socket.proven();
    if (isTokenOver(answer) && sent.method !== "authenticate") {
      // Nothing was done. The server closes the socket right behind this answer, and nothing more is sent on it.
      this.#isOpen = false;
      sent.settle({ kind: "lost", mayBeDone: false }, index);
    } else {
      sent.settle(answer, index);
    }
  }

  /** The socket is gone: every request in flight is lost. */
  lost(mayBeDone: boolean): void {
    this.#isOpen = false;
    stopTimer(this.#watch);
    this.#watch = undefined;
    const lost = this.#sent;
    this.#sent = [];
    this.#inFlight = 0;
    this.#characters = 0;
    for (const { settle, isAnswered } of lost) {
      isAnswered.forEach((isDone, index) => isDone || settle({ kind: "lost", mayBeDone }, index));
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
        this.#socket.drop(`${unanswered.method} was not answered`);
      } else {
        this.#watchAnswers();
      }
    });
  }

  #oldest(): Sent | undefined {
    return this.#sent.find(({ method }) => traitsOf(method)?.unbounded !== true);
  }
}
