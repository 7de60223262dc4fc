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
  readonly #queue = new CancellableQueue<Queued>(({ isGone }) => isGone());

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

  /** Sends a request as soon as fewer than the limit are in flight. */
  request(request: Request, isGone: () => boolean): void {
    this.#queue.push({ request, isGone });
    this.flush();
  }

  /** Sends queued requests, as many as the server takes now. */
  flush(): void {
    while (this.#channel.room > 0) {
      const next = this.#queue.take();
      if (next === undefined) {
        return;
      }
      const { request } = next;
      const { method } = request;
      request.sent?.();
      this.#channel.send({
        method,
        texts: [requestText(method, request.params)],
        settle: (outcome) => request.settle(outcome),
      });
    }
  }

  /** Drops what is queued. `PendingCalls` rejects the calls. */
  close(): void {
    this.#queue.clear();
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
