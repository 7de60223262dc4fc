import { directoryOf } from "../internal/directory-calls.ts";
import type { StreamNews } from "../internal/directory-calls.ts";
import { asOutcome, withDeadline } from "../platform/call-object.ts";
import type { AlarmClock } from "../platform/scheduling/alarm-clock.ts";
import { requestDeadlineMs } from "../platform/settings.ts";

import type { StreamRecord } from "./record.ts";

/** When the Directory is told again if it has not answered: by the alarm, so also after a crash. */
const AGAIN_MS = 5_000;

/** How often something is said at once: again when the Directory has another stream of the name. */
const MOST_TIMES = 4;

/** What it uses of its stream. */
type ListingHost = {
  readonly ctx: DurableObjectState;
  readonly env: Env;
  readonly alarm: AlarmClock;
  readonly transactor: {
    readonly loaded: { readonly record: StreamRecord } | undefined;
    change(stream: string, nowMs: number, act: (loaded: { readonly record: StreamRecord }) => void): void;
  };
};

/**
 * Has the stream listed in the Directory as long as it exists. It is told once of each epoch, right after its first commit,
 * and by the alarm until it has answered. It is told of a deletion before that: what was deleted could not say so any more.
 * When the deletion then fails, or is lost in a crash, the stream is still there and says so.
 */
export class Listing {
  readonly #host: ListingHost;
  #isTelling = false;

  constructor(host: ListingHost) {
    this.#host = host;
  }

  /** Tells the Directory of the stream, if it does not know of it; in the background. */
  start(): void {
    const { ctx, alarm, transactor } = this.#host;
    if (transactor.loaded?.record.isListed !== false) {
      return;
    }
    // Also while it is told: an alarm that has just fired is set no more.
    alarm.ensureBy(Date.now() + AGAIN_MS, Date.now());
    if (!this.#isTelling) {
      this.#isTelling = true;
      ctx.waitUntil(this.#run());
    }
  }

  /**
   * Tells the Directory that the stream is about to be deleted, and has it deleted. Calls that come meanwhile wait: those
   * sent behind a deletion are about the stream after it.
   *
   * @throws Unavailable when the Directory did not answer: the stream stays.
   */
  async end<T>(record: StreamRecord, deletion: () => Promise<T>): Promise<T> {
    // An exception out of it would reset the object.
    const outcome = await this.#host.ctx.blockConcurrencyWhile(async () => {
      try {
        await this.#sayDeleted(record);
        return { value: await deletion() };
      } catch (error) {
        return { error };
      }
    });
    if ("error" in outcome) {
      throw outcome.error;
    }
    return outcome.value;
  }

  async #sayDeleted(record: StreamRecord): Promise<void> {
    try {
      this.#host.transactor.change(record.name, Date.now(), (loaded) => loaded.record.beginDeletion());
      this.#host.alarm.ensureBy(Date.now() + AGAIN_MS, Date.now());
      // The runtime's output gate holds it back until that is on disk.
      await this.#say(record, false);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** The stream, if the Directory has to be told that it exists. */
  get #untold(): StreamRecord | undefined {
    const record = this.#host.transactor.loaded?.record;
    return record?.isListed === false ? record : undefined;
  }

  async #run(): Promise<void> {
    const { transactor } = this.#host;
    try {
      // After the event that has created the stream.
      await scheduler.wait(0);
      for (let record = this.#untold; record !== undefined; record = this.#untold) {
        const { deletions } = record;
        if ((await this.#say(record, true)) && transactor.loaded?.record.deletions === deletions) {
          transactor.change(record.name, Date.now(), (loaded) => loaded.record.noteListed());
        }
      }
    } catch (error) {
      // The alarm begins again.
      this.#failed(error);
    } finally {
      this.#isTelling = false;
    }
  }

  /** @returns False when the stream is in another epoch by now, or deleted. */
  async #say({ name, epoch, createdAt, deletions }: StreamRecord, exists: boolean): Promise<boolean> {
    const news: StreamNews = { name, epoch, createdAt, deletions, exists };
    for (let times = 0; times < MOST_TIMES; times += 1) {
      const other = await withDeadline(directoryOf(this.#host.env).tell(news), requestDeadlineMs() / 3);
      if (this.#host.transactor.loaded?.record.epoch !== epoch) {
        return false;
      }
      if (other === undefined) {
        return true;
      }
      // Of a stream of this name only one is left: this one.
      news.replaces = other;
    }
    throw new Error("the directory has another stream of the name each time");
  }

  /** The error for a caller; a fault is logged, a call that was lost is none. */
  #failed(error: unknown): Error {
    const stream = this.#host.transactor.loaded?.record.name ?? "";
    return asOutcome(error, "reads", { what: "the directory", facts: { stream } });
  }
}
