import { traitsOf } from "../../methods/method-traits.ts";
import { CLIENT_LIMITS } from "../../protocol/client-limits.ts";

import type { PendingCall } from "./pending-call.ts";
import { CancellableQueue } from "./cancellable-queue.ts";
import { requestText } from "./request-channel.ts";
import type { Outcome, RequestChannel } from "./request-channel.ts";

/** A request for one socket. `settle` is called exactly once. */
export type Request = {
  readonly method: string;
  /** JSON text. */
  readonly params: string;
  /** It was sent. */
  sent?(): void;
  settle(outcome: Outcome): void;
};

/** A queued request. It is dropped when it `isGone` by its turn. */
type Queued = { readonly request: Request; readonly isGone: () => boolean };

/**
 * Sends all calls except publishes, each in its own frame, so that none waits for the answer to another. When a socket is
 * lost, calls that only read are sent again; the outcome of the others is unknown.
 */
export class CallQueue {
  readonly #channel: RequestChannel;
  readonly #queue = new CancellableQueue<Queued>(isGone);
  /** Those whose answer may be large: the server takes few of them at a time, and others do not wait for them. */
  readonly #large = new CancellableQueue<Queued>(isGone);
  #largeInFlight = 0;

  constructor(channel: RequestChannel) {
    this.#channel = channel;
  }

  /** Sends a call; without an open socket, on the next one. */
  call(call: PendingCall): void {
    const request = {
      method: call.method,
      get params() {
        return call.params;
      },
      sent: () => call.sent(),
      settle: (outcome: Outcome) => this.#answered(call, outcome),
    };
    this.request(request, () => call.isSettled);
  }

  /** Sends a request as soon as the server takes it. */
  request(request: Request, hasGone: () => boolean): void {
    const queue = isLarge(request) ? this.#large : this.#queue;
    queue.push({ request, isGone: hasGone });
    this.flush();
  }

  /** Sends queued requests, as many as the server takes now. */
  flush(): void {
    while (this.#largeInFlight < CLIENT_LIMITS.largeAnswersInFlight && this.#sendNext(this.#large)) {
      this.#largeInFlight += 1;
    }
    while (this.#sendNext(this.#queue)) {
      // As many as there is room for.
    }
  }

  /** @returns False when there is none, or no room for it. */
  #sendNext(queue: CancellableQueue<Queued>): boolean {
    const request = this.#channel.room > 0 ? queue.peek()?.request : undefined;
    if (request === undefined || !this.#channel.hasRoomFor(request.params.length)) {
      return false;
    }
    queue.take();
    request.sent?.();
    const settle = (outcome: Outcome) => {
      this.#largeInFlight -= isLarge(request) ? 1 : 0;
      request.settle(outcome);
    };
    this.#channel.send({ method: request.method, texts: [requestText(request.method, request.params)], settle });
    return true;
  }

  /** Drops what is queued. `PendingCalls` rejects the calls. */
  close(): void {
    this.#queue.clear();
    this.#large.clear();
  }

  #answered(call: PendingCall, outcome: Outcome): void {
    if (outcome.kind === "result") {
      call.resolve(outcome.result);
    } else if (outcome.kind === "error") {
      call.reject(outcome.error);
    } else {
      call.lost(outcome.mayBeDone);
      if (call.kind === "reads" || !outcome.mayBeDone) {
        this.call(call);
      } else {
        call.giveUp("the connection was lost");
      }
    }
  }
}

function isGone(queued: Queued): boolean {
  return queued.isGone();
}

function isLarge({ method }: Request): boolean {
  return traitsOf(method)?.largeAnswer === true;
}
