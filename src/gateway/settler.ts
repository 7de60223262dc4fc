import { ErrorCode, isRpcError, RpcError } from "../../rpc/index.ts";
import type { Settlement } from "../consumer-calls.ts";
import { callStream } from "../stream-calls.ts";

/** Settlements of one call: one commit should not hold up its stream for long. */
const CALL_SETTLEMENTS = 1_000;
/** Sequences that may wait for one stream. */
const MAX_WAITING_SEQUENCES = 200_000;

/** One life of a stream. */
export type StreamLife = { readonly stream: string; readonly epoch: string };

type Waiting = { settlement: Settlement; size: number; resolve: () => void; reject: (reason: unknown) => void };

/** What a settler tells its owner. */
export type SettlerEvents = {
  /** These share no consumer any more. */
  onUnknown(holders: readonly string[]): void;
  /** That life of the stream is over. */
  onStreamDeleted(life: StreamLife): void;
  onIdle(): void;
};

/**
 * Brings what the clients of one gateway say of their consumers' messages to one stream, in order, at most one call
 * under way: what is said meanwhile goes in the next, so that it costs one commit.
 */
export class Settler {
  readonly #env: Env;
  readonly #life: StreamLife;
  readonly #events: SettlerEvents;
  #waiting: Waiting[] = [];
  #waitingSequences = 0;
  #isSending = false;

  constructor(env: Env, life: StreamLife, events: SettlerEvents) {
    this.#env = env;
    this.#life = life;
    this.#events = events;
  }

  /**
   * Done when the stream has stored it.
   *
   * @throws RpcError NotFound when the subscription shares no consumer any more, Busy when too much waits,
   *   OutcomeUnknown or Unavailable when the stream does not answer.
   */
  settle(settlement: Settlement): Promise<void> {
    const size = "sequences" in settlement ? settlement.sequences.length : 1;
    if (this.#waitingSequences + size > MAX_WAITING_SEQUENCES) {
      return Promise.reject(new RpcError("Busy", "too much waits for the stream", { limit: MAX_WAITING_SEQUENCES }));
    }
    this.#waitingSequences += size;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ settlement, size, resolve, reject });
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
      // Fires when every socket that was readable has been read (see publisher.ts).
      await scheduler.wait(0);
    }
    this.#isSending = false;
    this.#events.onIdle();
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    this.#waitingSequences -= batch.reduce((sum, { size }) => sum + size, 0);
    try {
      const unknown = await this.#call(batch.map(({ settlement }) => settlement));
      if (unknown === undefined) {
        this.#events.onStreamDeleted(this.#life);
      } else if (unknown.length > 0) {
        this.#events.onUnknown(unknown);
      }
      const isKnown = (holder: string) => unknown !== undefined && !unknown.includes(holder);
      for (const { settlement, resolve, reject } of batch) {
        if (isKnown(settlement.holder)) {
          resolve();
        } else {
          reject(new RpcError("NotFound", "the consumer is deleted", { what: "consumer" }));
        }
      }
    } catch (error) {
      batch.forEach(({ reject }) => reject(error));
    }
  }

  /** Asks once more when the first call was lost: to settle twice is to settle once. */
  async #call(settlements: Settlement[]): Promise<string[] | undefined> {
    const { stream, epoch } = this.#life;
    const call = () => callStream(this.#env, stream, "changes", (stub) => stub.settle(epoch, settlements));
    try {
      return await call();
    } catch (error) {
      if (isRpcError(error) && error.code === ErrorCode.OutcomeUnknown) {
        return call();
      }
      throw error;
    }
  }
}
