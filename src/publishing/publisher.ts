import { RpcError } from "../../rpc/index.ts";
import type { Published, PublishRequest } from "../internal/calls.ts";
import { outcomes, publishCall } from "./publish-call.ts";
import { heldError } from "./publish-order.ts";
import type { PublishPlace } from "./publish-order.ts";
import { asOutcome, backoffMs } from "../platform/call-object.ts";
import { requestDeadlineMs } from "../platform/settings.ts";

/** Requests of one call: one commit should not hold up its stream for long. */
const CALL_REQUESTS = 1_000;
/** Text of one call: far below the 32 MiB that an RPC may carry. */
const CALL_BYTES = 4_194_304;

type Waiting = {
  request: PublishRequest;
  size: number;
  place: PublishPlace | undefined;
  resolve: (published: Published) => void;
  reject: (reason: unknown) => void;
};

/**
 * Group commit: the publishes of one gateway to one stream, at most one call under way. What arrives meanwhile goes in
 * the next, so the busier the gateway, the larger its commits.
 *
 * An idle publisher flushes at once. After a call has returned it waits for a zero timer, which fires when every
 * socket that was readable has been read: without it the batches would be as small as what one fsync lets in.
 */
export class Publisher {
  readonly #env: Env;
  readonly #stream: string;
  readonly #onIdle: () => void;
  #waiting: Waiting[] = [];
  #isFlushing = false;
  /** The call under way has passed its deadline: what comes now would only wait behind it. */
  #isStuck = false;
  /** Calls in a row that failed. */
  #failures = 0;

  constructor(env: Env, stream: string, onIdle: () => void) {
    this.#env = env;
    this.#stream = stream;
    this.#onIdle = onIdle;
  }

  /**
   * Stores a request's messages after everything this publisher was given before.
   *
   * @throws RpcError what the stream refused; OutcomeUnknown or Unavailable when it could not be asked.
   */
  publish(request: PublishRequest, size: number, place: PublishPlace | undefined): Promise<Published> {
    if (this.#isStuck) {
      return Promise.reject(unavailable());
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, size, place, resolve, reject });
      if (!this.#isFlushing) {
        this.#isFlushing = true;
        void this.#flush();
      }
    });
  }

  async #flush(): Promise<void> {
    // What one frame brings goes together: its other requests are queued before this goes on.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#send(this.#take());
      await scheduler.wait(backoffMs(this.#failures));
      this.#refuseHeld();
    }
    this.#isFlushing = false;
    this.#onIdle();
  }

  #take(): Waiting[] {
    let size = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      size += waiting.size;
      if (count === CALL_REQUESTS || (count > 0 && size > CALL_BYTES)) {
        break;
      }
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Settles every request of a call. Returns only when the call has: two at once would lose the order. */
  async #send(batch: readonly Waiting[]): Promise<void> {
    const deadline = setTimeout(() => this.#giveUp(batch), requestDeadlineMs());
    const stub = this.#env.STREAM.getByName(this.#stream);
    try {
      const requests = batch.map((waiting) => waiting.request);
      const reply = await stub.publish(publishCall(this.#stream, requests, lanesOf(batch)));
      this.#failures = 0;
      for (const [index, outcome] of outcomes(requests, reply).entries()) {
        if (outcome instanceof RpcError) {
          batch[index]?.reject(outcome);
        } else {
          batch[index]?.resolve(outcome);
        }
      }
    } catch (error) {
      const outcome = asOutcome(error, "changes");
      this.#failures += 1;
      for (const { reject } of batch) {
        reject(outcome);
      }
    } finally {
      clearTimeout(deadline);
      this.#isStuck = false;
    }
  }

  /** What waits behind a publish that has to be sent again is not stored before it. */
  #refuseHeld(): void {
    const held = this.#waiting.filter(({ place }) => place?.isHeld);
    if (held.length > 0) {
      this.#waiting = this.#waiting.filter(({ place }) => place?.isHeld !== true);
      held.forEach(({ reject }) => reject(heldError()));
    }
  }

  #giveUp(batch: readonly Waiting[]): void {
    this.#isStuck = true;
    for (const { reject } of batch) {
      reject(new RpcError("OutcomeUnknown", "the stream did not answer in time; it may or may not have been done"));
    }
    for (const { reject } of this.#waiting.splice(0)) {
      reject(unavailable());
    }
  }
}

/** For each request the number of its caller's lane, if any needs it: only what carries an id may be refused for a time. */
function lanesOf(batch: readonly Waiting[]): number[] | undefined {
  if (batch.every(({ request }) => request.id === undefined)) {
    return undefined;
  }
  const numbers = new Map<object, number>();
  return batch.map(({ place, request }) => {
    const lane = place?.lane ?? request;
    const number = numbers.get(lane) ?? numbers.size;
    numbers.set(lane, number);
    return number;
  });
}

function unavailable(): RpcError {
  return new RpcError("Unavailable", "the stream does not answer; nothing was done");
}
