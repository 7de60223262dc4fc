import type { PendingCall } from "./pending-call.ts";
import { CancellableQueue } from "./cancellable-queue.ts";
import type { Outcome, Request, RequestChannel } from "./request-channel.ts";

/** A request that waits for its turn, unless nobody wants it any more by then. */
type Queued = { readonly request: Request; readonly isGone: () => boolean };

/**
 * Sends every call but publishes, each in a frame of its own so that none waits for another's answer. What only reads
 * is sent again when its socket is lost; of what changes something the outcome is then unknown.
 */
export class CallQueue {
  readonly #channel: RequestChannel;
  readonly #queue = new CancellableQueue<Queued>(({ isGone }) => isGone());

  constructor(channel: RequestChannel) {
    this.#channel = channel;
  }

  /** Sends a call, on the next socket if there is none. */
  call(call: PendingCall): void {
    const request = {
      method: call.method,
      get params() {
        return call.params;
      },
      sent: () => call.sent(),
      settle: (outcome: Outcome) => this.#settle(call, outcome),
    };
    this.request(request, () => call.isSettled);
  }

  /** Sends a request, as soon as the server takes one more. */
  request(request: Request, isGone: () => boolean): void {
    this.#queue.push({ request, isGone });
    this.flush();
  }

  /** Sends what may be sent now. */
  flush(): void {
    while (this.#channel.room > 0) {
      const next = this.#queue.take();
      if (next === undefined) {
        return;
      }
      this.#channel.send([next.request]);
    }
  }

  /** Forgets what it was waiting to send; each call is settled by who opened it. */
  close(): void {
    this.#queue.clear();
  }

  #settle(call: PendingCall, outcome: Outcome): void {
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
