import { monotonicMs } from "../clock.ts";
import { turnFor } from "./pace.ts";

/** After so long one more may begin at once: slower than any work comes that is much. */
const FREE_MS = 1;
/** What has waited for a timer, however short, has let others run; and nothing waits for long for what else there is. */
const WAITS_MS = { least: 1, most: 20 };

/** How work begins. */
type FairTurnsOptions = {
  /** How many pieces may begin at once, and begin in one turn. */
  readonly atOnce: number;
  /** How long a piece takes, in ms; what is not known before is charged to the clock when it is. */
  readonly eachMs: number;
  /** The part of what waits that a turn begins where that is more: so all of it has begun after some hundred turns. */
  readonly part?: number;
};

/** Tells a piece of work that it may begin, or that it is not wanted any more. */
type Begin = (isWanted: boolean) => void;

/**
 * Lets work of many owners begin in turns, when much of it comes at once: a piece of each owner, then the next of each. Who
 * has begun much waits for itself and not others for it.
 */
export class FairTurns<Owner extends object> {
  readonly #options: FairTurnsOptions;
  /** What waits, in the order of the owners' turns. */
  readonly #waiting = new Map<Owner, Begin[]>();
  #count = 0;
  /** How much may begin at once: it grows with time. */
  #free: number;
  #freeAt = 0;
  #isRunning = false;

  constructor(options: FairTurnsOptions) {
    this.#options = options;
    this.#free = options.atOnce;
  }

  /**
   * The turn of a piece of work.
   *
   * @returns Undefined when it may begin at once. Otherwise resolves when it may, with false when it is not wanted any more.
   */
  take(owner: Owner): Promise<boolean> | undefined {
    if (this.#count === 0 && this.#takeFree()) {
      return undefined;
    }
    return new Promise((begin) => {
      const waiting = this.#waiting.get(owner) ?? [];
      waiting.push(begin);
      this.#waiting.set(owner, waiting);
      this.#count += 1;
      void this.#run();
    });
  }

  /** Nothing of an owner is wanted any more. */
  forget(owner: Owner): void {
    const waiting = this.#waiting.get(owner) ?? [];
    this.#waiting.delete(owner);
    this.#count -= waiting.length;
    waiting.forEach((begin) => begin(false));
  }

  #takeFree(): boolean {
    const nowMs = monotonicMs();
    this.#free = Math.min(this.#options.atOnce, this.#free + (nowMs - this.#freeAt) / FREE_MS);
    this.#freeAt = nowMs;
    if (this.#free < 1) {
      return false;
    }
    this.#free -= 1;
    return true;
  }

  async #run(): Promise<void> {
    if (this.#isRunning) {
      return;
    }
    this.#isRunning = true;
    const { atOnce, eachMs, part = 0 } = this.#options;
    try {
      while (this.#count > 0) {
        await turnFor(Math.min(this.#count, atOnce) * eachMs, WAITS_MS);
        for (let left = Math.max(atOnce, this.#count * part); left > 0; left -= 1) {
          this.#beginNext();
        }
      }
    } finally {
      this.#isRunning = false;
    }
  }

  #beginNext(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      return;
    }
    const [owner, waiting] = next;
    waiting.shift()?.(true);
    this.#count -= 1;
    this.#waiting.delete(owner);
    if (waiting.length > 0) {
      this.#waiting.set(owner, waiting);
    }
  }
}
