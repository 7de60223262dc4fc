import { RpcError } from "../../../rpc/index.ts";

import { asOutcome, backoffMs } from "../call-object.ts";
import { requestDeadlineMs } from "../settings.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Gathering } from "./gathering.ts";

/** An object that makes calls, and what it shares among its batchers. */
export type BatcherHost = { readonly env: Env; readonly deadlines: Deadlines; readonly gathering: Gathering };

/** What one call carries, and how it is made. */
export type BatcherOptions<Item, Reply, Result> = {
  /** Most items of one call, each counted as it was added; a single one may exceed it. */
  readonly maxItems: number;
  /** Most size of one call's items together; a single item may exceed it. No bound when left out. */
  readonly maxSize?: number;
  /** The object that makes the calls. */
  readonly host: Pick<BatcherHost, "deadlines" | "gathering">;
  /**
   * Whether the next call may begin while one that has passed its deadline is still under way.
   *
   * `false`: the next one waits for it, and what is added meanwhile is refused. The deadline counts from the call.
   * `true`: the next one begins. The deadline counts from when the oldest item of the call was added.
   */
  readonly mayOverlap: boolean;
  /** Makes one call. When it throws, all its items fail. @param dueAt The deadline, in ms since the epoch. */
  readonly call: (items: readonly Item[], dueAt: number) => Promise<Reply>;
  /** The outcome of each item, in their order, from a reply that came in time. */
  readonly outcomes: (items: readonly Item[], reply: Reply) => readonly (Result | RpcError)[];
  /** Asked for each waiting item after a call: why it must not be sent any more; undefined when it may be. */
  readonly refusalOf?: (item: Item) => RpcError | undefined;
  /** Called when nothing waits any more. */
  readonly onIdle: () => void;
  /** Which object it calls, for the log. */
  readonly facts?: Readonly<Record<string, string>>;
};

type Waiting<Item, Result> = {
  readonly item: Item;
  readonly size: number;
  readonly count: number;
  readonly addedAt: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
};

/**
 * Group commit: items for one object go in order, at most one call under way. What is added meanwhile goes in the next
 * call, so the busier the caller, the larger its batches.
 *
 * An idle batcher calls at once. After a call it waits until all is {@link Gathering | gathered} that was on its way: without it
 * the batches would be as small as what one fsync lets in. After a failed call it backs off.
 */
export class Batcher<Item, Reply, Result> {
  readonly #options: BatcherOptions<Item, Reply, Result>;
  #waiting: Waiting<Item, Result>[] = [];
  #waitingSize = 0;
  #isFlushing = false;
  /** The call under way has passed its deadline: what is added now would only wait for it. */
  #isStuck = false;
  /** Calls in a row that failed. */
  #failures = 0;

  constructor(options: BatcherOptions<Item, Reply, Result>) {
    this.#options = options;
  }

  /** The size of what waits for the next calls; what is under way does not count. */
  get waitingSize(): number {
    return this.#waitingSize;
  }

  /**
   * Sends an item after everything that was added before.
   *
   * @param count How many items of `maxItems` it counts as.
   * @throws RpcError the item's outcome, or its call's; OutcomeUnknown when the call passed its deadline, Unavailable
   *   when the item was not sent because of that.
   */
  add(item: Item, size: number, count = 1): Promise<Result> {
    if (this.#isStuck) {
      return Promise.reject(notSent());
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, size, count, addedAt: Date.now(), resolve, reject });
      this.#waitingSize += size;
      if (!this.#isFlushing) {
        this.#isFlushing = true;
        void this.#flush();
      }
      this.#options.host.gathering.look();
    });
  }

  async #flush(): Promise<void> {
    // What one frame brings goes together: its other items are added before this goes on.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#send(this.#take());
      await this.#pause();
      this.#refuse(this.#options.refusalOf);
    }
    this.#isFlushing = false;
    this.#options.onIdle();
  }

  async #pause(): Promise<void> {
    if (this.#failures === 0) {
      await this.#options.host.gathering.whenGathered();
      return;
    }
    // An object that has too many timers is refused another: what waits here goes on all the same.
    await scheduler.wait(backoffMs(this.#failures)).catch(() => undefined);
  }

  #take(): Waiting<Item, Result>[] {
    const { maxItems, maxSize = Number.POSITIVE_INFINITY } = this.#options;
    let [size, count, end] = [0, 0, 0];
    for (const waiting of this.#waiting) {
      if (end > 0 && (count + waiting.count > maxItems || size + waiting.size > maxSize)) {
        break;
      }
      size += waiting.size;
      count += waiting.count;
      end += 1;
    }
    this.#waitingSize -= size;
    return this.#waiting.splice(0, end);
  }

  /** Answers every item of a batch by the call's deadline. Returns when the next call may begin. */
  async #send(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    const { mayOverlap, host, call, outcomes, facts = {} } = this.#options;
    const items = batch.map(({ item }) => item);
    const startedAt = mayOverlap ? Math.min(...batch.map(({ addedAt }) => addedAt)) : Date.now();
    const dueAt = startedAt + requestDeadlineMs();
    const abandoned = mayOverlap ? Promise.withResolvers<never>() : undefined;
    const deadline = host.deadlines.add(dueAt, () => {
      const late = new RpcError(
        "OutcomeUnknown",
        "the stream did not answer in time; it may or may not have been done",
      );
      this.#giveUp(batch, late);
      this.#isStuck = !mayOverlap;
      abandoned?.reject(late);
    });
    try {
      const calling = call(items, dueAt);
      const reply = await (abandoned === undefined ? calling : Promise.race([calling, abandoned.promise]));
      this.#failures = 0;
      for (const [index, outcome] of outcomes(items, reply).entries()) {
        if (outcome instanceof RpcError) {
          batch[index]?.reject(outcome);
        } else {
          batch[index]?.resolve(outcome);
        }
      }
    } catch (error) {
      this.#failures += 1;
      const outcome = asOutcome(error, "changes", { facts });
      batch.forEach(({ reject }) => reject(outcome));
    } finally {
      host.deadlines.end(deadline);
      this.#isStuck = false;
    }
  }

  /** A call has passed its deadline. What waits for it was not sent, and has waited long enough. */
  #giveUp(batch: readonly Waiting<Item, Result>[], late: RpcError): void {
    batch.forEach(({ reject }) => reject(late));
    this.#refuse(notSent);
  }

  #refuse(refusalOf: BatcherOptions<Item, Reply, Result>["refusalOf"]): void {
    if (refusalOf === undefined || !this.#waiting.some(({ item }) => refusalOf(item) !== undefined)) {
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) {
      const refusal = refusalOf(each.item);
      if (refusal === undefined) {
        this.#waiting.push(each);
      } else {
        this.#waitingSize -= each.size;
        each.reject(refusal);
      }
    }
  }
}

function notSent(): RpcError {
  return new RpcError("Unavailable", "the stream does not answer; nothing was done");
}
