import { waitMs } from "../settings.ts";

/** An alarm that is overdue by this much is taken as lost: the runtime gives one up after six failures. */
const LOST_AFTER_MS = 5_000;

/**
 * The one alarm of a Durable Object, set to the earliest time that was asked for. Setting it writes a row, so it is
 * only moved to an earlier time; the handler of the alarm asks again for later times.
 */
export class AlarmClock {
  readonly #storage: DurableObjectStorage;
  #atMs: number | undefined;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Reads the alarm that is set; call it before anything else runs in the object. */
  async restore(): Promise<void> {
    this.#atMs = (await this.#storage.getAlarm()) ?? undefined;
  }

  /**
   * Makes sure that the alarm fires at `atMs` or earlier. A lost alarm is set again.
   *
   * @param atMs Undefined for never.
   */
  ensureBy(atMs: number | undefined, nowMs: number): void {
    const set = this.#atMs;
    if (atMs === undefined) {
      return;
    }
    if (set !== undefined && set <= atMs && set > nowMs - waitMs("ALARM_LOST_MS", LOST_AFTER_MS)) {
      return;
    }
    this.#atMs = atMs;
    // Not awaited: the output gate holds the answer of this event back until it is stored.
    void this.#storage.setAlarm(atMs);
  }

  /** Notes that no alarm is set: it fired, or was deleted with all storage. */
  clear(): void {
    this.#atMs = undefined;
  }
}
