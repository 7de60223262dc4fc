import { LIMITS, RpcError } from "../../../rpc/index.ts";
import type { AckCommand } from "../../internal/consumer-calls.ts";
import type { StreamEnd } from "../../internal/epoch.ts";
import { asOutcome, backoffMs, isOverloaded } from "../../platform/call-object.ts";

/** Settlements of one call: one commit should not hold up its stream for long. */
const CALL_SETTLEMENTS = 1_000;
/** Sequences that may wait for one stream. */
const MAX_WAITING_SEQUENCES = 200_000;

/** One life of a stream. */
export type StreamLife = { readonly stream: string; readonly epoch: string };

type Waiting = {
  command: AckCommand;
  size: number;
  /** When it must be answered. */
  dueAt: number;
  resolve: () => void;
  reject: (reason: unknown) => void;
};

/** The holders the stream does not know, or why that epoch of it is over; and how a call before was lost. */
type Reply = { unknown: string[] | StreamEnd; lost: RpcError | undefined };

/** What an ack batcher tells its owner. */
export type AckBatcherEvents = {
  /** These share no consumer any more. */
  onUnknown(holders: readonly string[]): void;
  /** That epoch of the stream is over. */
  onStreamEnded(life: StreamLife, reason: StreamEnd): void;
  onIdle(): void;
};

/**
 * Brings what the clients of one gateway say of their consumers' messages to one stream, in order, at most one call
 * under way: what is said meanwhile goes in the next, so that it costs one commit.
 */
export class AckBatcher {
  readonly #env: Env;
  readonly #life: StreamLife;
  readonly #events: AckBatcherEvents;
  #waiting: Waiting[] = [];
  #waitingSequences = 0;
  #isSending = false;
  /** Calls in a row that failed. */
  #failures = 0;

  constructor(env: Env, life: StreamLife, events: AckBatcherEvents) {
    this.#env = env;
    this.#life = life;
    this.#events = events;
  }

  /**
   * Done when the stream has stored it, or failed within the request deadline.
   *
   * @throws RpcError NotFound when the subscription shares no consumer any more, Busy when too much waits,
   *   OutcomeUnknown or Unavailable when the stream does not answer.
   */
  settle(command: AckCommand): Promise<void> {
    const size = "sequences" in command ? command.sequences.length : 1;
    if (this.#waitingSequences + size > MAX_WAITING_SEQUENCES) {
      return Promise.reject(new RpcError("Busy", "too much waits for the stream", { limit: MAX_WAITING_SEQUENCES }));
    }
    this.#waitingSequences += size;
    const dueAt = Date.now() + LIMITS.requestDeadlineMs;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ command, size, dueAt, resolve, reject });
      if (!this.#isSending) {
        this.#isSending = true;
        void this.#flush();
      }
    });
  }

  async #flush(): Promise<void> {
    // What one frame brings goes together: its other calls are queued before this goes on.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#send(this.#waiting.splice(0, CALL_SETTLEMENTS));
      // Without a pause it fires when every socket that was readable has been read (see publisher.ts).
      await scheduler.wait(backoffMs(this.#failures));
    }
    this.#isSending = false;
    this.#events.onIdle();
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    this.#waitingSequences -= sizeOf(batch);
    // The oldest one's time is everybody's: only behind a call that was slow itself is it much less than a request has.
    const dueAt = Math.min(...batch.map((waiting) => waiting.dueAt));
    const deadline = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      deadline.reject(
        new RpcError("OutcomeUnknown", "the stream did not answer in time; it may or may not be settled"),
      );
      this.#refuseWaiting();
    }, dueAt - Date.now());
    try {
      const call = this.#call(
        batch.map(({ command }) => command),
        dueAt,
      );
      this.#answer(batch, await Promise.race([call, deadline.promise]));
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      batch.forEach(({ reject }) => reject(error));
    } finally {
      clearTimeout(timer);
    }
  }

  #answer(batch: readonly Waiting[], { unknown, lost }: Reply): void {
    if (typeof unknown === "string") {
      this.#events.onStreamEnded(this.#life, unknown);
    } else if (unknown.length > 0) {
      this.#events.onUnknown(unknown);
    }
    const isKnown = (holder: string) => typeof unknown !== "string" && !unknown.includes(holder);
    for (const { command, resolve, reject } of batch) {
      if (isKnown(command.holder)) {
        resolve();
      } else {
        // The call that was lost may have found it, stored what it said, and released it.
        reject(lost ?? new RpcError("NotFound", "the consumer is deleted", { what: "consumer" }));
      }
    }
  }

  /**
   * Asks once more when the first call was lost, if there is time and the stream has not too much to do: to settle twice
   * is to settle once. Should that fail too, in whatever way, the first one may still have been stored.
   */
  async #call(commands: AckCommand[], dueAt: number): Promise<Reply> {
    const { stream, epoch } = this.#life;
    const call = async () => this.#env.STREAM.getByName(stream).applyAcks(epoch, commands);
    let lost: RpcError | undefined;
    try {
      return { unknown: await call(), lost };
    } catch (error) {
      lost = asOutcome(error, "changes");
      if (isOverloaded(error) || Date.now() >= dueAt) {
        throw lost;
      }
    }
    try {
      return { unknown: await call(), lost };
    } catch {
      // Safe: what it says of the second call does not tell what became of the first.
      throw lost;
    }
  }

  /** What waits behind a call that is stuck was not sent, and has waited long enough. */
  #refuseWaiting(): void {
    const refused = this.#waiting.splice(0);
    this.#waitingSequences -= sizeOf(refused);
    for (const { reject } of refused) {
      reject(new RpcError("Unavailable", "the stream does not answer; nothing was done"));
    }
  }
}

function sizeOf(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { size }) => sum + size, 0);
}
