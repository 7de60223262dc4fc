import { logError } from "../platform/log.ts";
import type { AlarmClock } from "../platform/scheduling/alarm-clock.ts";

import type { LoadedStream } from "./loaded-stream.ts";
import { TurnLoop } from "./scheduling/turns.ts";
import type { Transactor } from "./transactor.ts";

/** When the alarm goes on with what an eviction has interrupted, and gives back what a deleted stream has stored. */
const RESUME_MS = 60_000;

/**
 * Deletes what a stream has stored and nobody sees any more, in turns: the rows below its floor, publish ids that are too
 * old, and the rows of the lives before it; then has the log index what it is behind with. Each turn is a transaction of
 * its own, and whatever has come meanwhile runs before the next one. Begins again after an eviction, by the next event or
 * the alarm.
 */
export class Sweeper {
  readonly #ctx: DurableObjectState;
  readonly #alarm: AlarmClock;
  readonly #transactor: Transactor<LoadedStream>;
  readonly #turns: TurnLoop;

  constructor(ctx: DurableObjectState, alarm: AlarmClock, transactor: Transactor<LoadedStream>) {
    this.#ctx = ctx;
    this.#alarm = alarm;
    this.#transactor = transactor;
    this.#turns = new TurnLoop(
      ctx,
      () => this.#sweep(),
      // The alarm begins again.
      (error) => logError("rows that nobody sees any more could not be deleted", error),
    );
  }

  /** Begins, if there is something to do. When there is no stream, that is left to {@link resume}. */
  start(): void {
    if (this.#isLeft) {
      // Even when it is under way: an alarm that has just fired is set no more.
      this.#alarm.ensureBy(Date.now() + RESUME_MS, Date.now());
    }
    if (this.#transactor.loaded !== undefined && (this.#isLeft || this.#isBehind)) {
      this.#turns.start();
    }
  }

  /**
   * Goes on when the alarm fires. When there is no stream then, all is deleted: some time after the stream was, so that
   * one made anew is not held up. The file of the database is unlinked in one go, and only so is it given back.
   */
  resume(): void {
    if (this.#transactor.deleted.isLeft && this.#transactor.loaded === undefined) {
      this.#transactor.deleted.forget();
      this.#ctx.waitUntil(this.#deleteAll());
    }
    this.start();
  }

  async #deleteAll(): Promise<void> {
    try {
      await this.#ctx.storage.deleteAll();
    } catch (error) {
      logError("what a deleted stream has stored could not be deleted", error);
      this.#transactor.deleted.look();
      this.start();
    }
  }

  get #isLeft(): boolean {
    const { deleted, loaded } = this.#transactor;
    return deleted.isLeft || loaded?.log.hasGarbage === true || loaded?.publishIds.hasGarbage === true;
  }

  /** No alarm is for that: it begins again when something is published. */
  get #isBehind(): boolean {
    return this.#transactor.loaded?.log.subjects.isBehind === true;
  }

  /** One turn. @returns Whether another one is to come: when there is no stream, what is left is for {@link resume}. */
  #sweep(): boolean {
    const { loaded, deleted } = this.#transactor;
    if (loaded === undefined || !(this.#isLeft || this.#isBehind)) {
      return false;
    }
    const isLeft = this.#isLeft;
    this.#transactor.change(loaded.record.name, Date.now(), ({ log, publishIds }) =>
      isLeft ? ([log, publishIds].find(({ hasGarbage }) => hasGarbage) ?? deleted).sweep() : log.subjects.catchUp(),
    );
    return this.#isLeft || this.#isBehind;
  }
}
