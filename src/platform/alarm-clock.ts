import { waitMs } from "./settings.ts";

/** How long past its time an alarm counts as lost: the runtime gives one up after six failures. */
const LOST_AFTER_MS = 5_000;

/**
 * The one alarm of a Durable Object, as the earliest of all times somebody asked for. Setting it writes a row, so it
 * moves only to an earlier time; whoever handles the alarm asks again for what is still to come.
 */
export class AlarmClock {
  readonly #storage: DurableObjectStorage;
  #atMs: number | undefined;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Reads what is set; call it before anything else runs in the object. */
  async restore(): Promise<void> {
    this.#atMs = (await this.#storage.getAlarm()) ?? undefined;
  }

  /** Makes sure the alarm fires at `atMs` or before. A lost one is set again. */
  ensureBy(atMs: number, nowMs: number): void {
    const set = this.#atMs;
    if (set !== undefined && set <= atMs && set > nowMs - waitMs("ALARM_LOST_MS", LOST_AFTER_MS)) {
      return;
    }
    this.#atMs = atMs;
    // Within the output gate of the event that asked for it: if it can not be stored, neither can the event's answer.
    void this.#storage.setAlarm(atMs);
  }

  /** The alarm fired, or went with everything else: none is set. */
  clear(): void {
    this.#atMs = undefined;
  }
}
