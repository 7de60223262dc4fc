import type { AlarmClock } from "../platform/alarm-clock.ts";
import { logError } from "../platform/log.ts";

import type { DeletedTables } from "./deleted-tables.ts";
import type { LoadedStream } from "./loaded-stream.ts";
import type { Transactor } from "./transactor.ts";

/** When the alarm goes on with what an eviction has interrupted, and gives back what a deleted stream has stored. */
const RESUME_MS = 60_000;

/** Between two turns, so that calls which cross several objects do not meet a turn at each of them. */
const PAUSE_MS = 2;

/**
 * Deletes what a stream has stored and nobody sees any more, in turns: the rows below its floor, and those of the lives
 * before it. Each turn is a transaction of its own, and whatever has come meanwhile runs before the next one. Begins again
 * after an eviction, by the next event or the alarm.
 */
export class Sweeper {
  readonly #ctx: DurableObjectState;
  readonly #alarm: AlarmClock;
  readonly #transactor: Transactor<LoadedStream>;
  readonly #deleted: DeletedTables;
  #isSweeping = false;

  constructor(
    ctx: DurableObjectState,
    { alarm, transactor, deleted }: { alarm: AlarmClock; transactor: Transactor<LoadedStream>; deleted: DeletedTables },
  ) {
    this.#ctx = ctx;
    this.#alarm = alarm;
    this.#transactor = transactor;
    this.#deleted = deleted;
  }

  /** Begins, if there is something to delete. When there is no stream, that is left to {@link giveBack}. */
  start(): void {
    if (!this.#isLeft) {
      return;
    }
    // Even when it is under way: an alarm that has just fired is set no more.
    this.#alarm.ensureBy(Date.now() + RESUME_MS, Date.now());
    if (!this.#isSweeping && this.#transactor.loaded !== undefined) {
      this.#isSweeping = true;
      this.#ctx.waitUntil(this.#run());
    }
  }

  /**
   * Deletes all that is stored when there is no stream: some time after it was deleted, so that one made anew is not held
   * up. The file of the database is unlinked in one go, and only so is it given back.
   */
  giveBack(): void {
    if (this.#deleted.isLeft && this.#transactor.loaded === undefined) {
      this.#deleted.forget();
      this.#ctx.waitUntil(this.#deleteAll());
    }
  }

  async #deleteAll(): Promise<void> {
    try {
      await this.#ctx.storage.deleteAll();
    } catch (error) {
      logError("what a deleted stream has stored could not be deleted", error);
      this.#deleted.look();
      this.start();
    }
  }

  get #isLeft(): boolean {
    return this.#deleted.isLeft || this.#transactor.loaded?.log.hasGarbage === true;
  }

  async #run(): Promise<void> {
    try {
      await scheduler.wait(0);
      for (
        let stream = this.#transactor.loaded;
        stream !== undefined && this.#isLeft;
        stream = this.#transactor.loaded
      ) {
        this.#transactor.change(stream.record.name, Date.now(), ({ log }) =>
          log.hasGarbage ? log.sweep() : this.#deleted.sweep(),
        );
        await scheduler.wait(PAUSE_MS);
      }
    } catch (error) {
      // The alarm begins again.
      logError("rows that nobody sees any more could not be deleted", error);
    } finally {
      this.#isSweeping = false;
    }
  }
}
