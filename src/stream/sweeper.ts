import type { AlarmClock } from "../platform/alarm-clock.ts";
import { logError } from "../platform/log.ts";

import type { LoadedStream } from "./loaded-stream.ts";
import type { Transactor } from "./transactor.ts";

/** When the alarm goes on with what an eviction has interrupted. */
const RESUME_MS = 60_000;

/**
 * Deletes the rows below a stream's floor, in turns: each is a transaction of its own, and whatever has come meanwhile
 * runs before the next one. Begins again after an eviction, by the next event or the alarm.
 */
export class Sweeper {
  readonly #ctx: DurableObjectState;
  readonly #alarm: AlarmClock;
  readonly #transactor: Transactor<LoadedStream>;
  #isSweeping = false;

  constructor(ctx: DurableObjectState, alarm: AlarmClock, transactor: Transactor<LoadedStream>) {
    this.#ctx = ctx;
    this.#alarm = alarm;
    this.#transactor = transactor;
  }

  /** Begins, if there is something to delete. */
  start(): void {
    if (this.#transactor.loaded?.log.hasGarbage !== true) {
      return;
    }
    // Even when it is under way: an alarm that has just fired is set no more.
    this.#alarm.ensureBy(Date.now() + RESUME_MS, Date.now());
    if (!this.#isSweeping) {
      this.#isSweeping = true;
      this.#ctx.waitUntil(this.#run());
    }
  }

  async #run(): Promise<void> {
    try {
      await scheduler.wait(0);
      for (let loaded = this.#transactor.loaded; loaded?.log.hasGarbage === true; loaded = this.#transactor.loaded) {
        this.#transactor.change(loaded.record.name, Date.now(), ({ log }) => log.sweep());
        await scheduler.wait(0);
      }
    } catch (error) {
      // The alarm begins again.
      logError("rows below a stream's floor could not be deleted", error);
    } finally {
      this.#isSweeping = false;
    }
  }
}
