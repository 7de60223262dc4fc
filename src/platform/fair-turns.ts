import { monotonicMs } from "./clock.ts";
import { turnFor } from "./pace.ts";

/** How many pieces may begin at once, and begin in one turn. */
const AT_ONCE = 16;
/** After so long one more may begin at once: slower than any work comes that is much. */
const FREE_MS = 1;
/** What has waited for a timer, however short, has let others run; and nothing waits for long for what else there is. */
const WAITS_MS = { least: 1, most: 20 };

type Waiting = { readonly begin: (isWanted: boolean) => void };

/**
 * Lets work of many owners begin in turns, when much of it comes at once: a piece of each owner, then the next of each. Who
 * has begun much waits for itself and not others for it.
 */
export class FairTurns<Owner extends object> {
  readonly #eachMs: number;
  /** What waits, in the order of the owners' turns. */
  readonly #waiting = new Map<Owner, Waiting[]>();
  /** How much may begin at once: it grows with time. */
  #free = AT_ONCE;
  #freeAt = 0;
  #isRunning = false;

  /** @param eachMs How long a piece takes. */
  constructor(eachMs: number) {
    this.#eachMs = eachMs;
  }

  /**
   * The turn of a piece of work.
   *
   * @returns Undefined when it may begin at once. Otherwise resolves when it may, with false when it is not wanted any more.
   */
  take(owner: Owner): Promise<boolean> | undefined {
    if (this.#waiting.size === 0 && this.#takeFree()) {
      return undefined;
    }
    return new Promise((begin) => {
      const waiting = this.#waiting.get(owner) ?? [];
      waiting.push({ begin });
      this.#waiting.set(owner, waiting);
      void this.#run();
    });
  }

  /** Nothing of an owner is wanted any more. */
  forget(owner: Owner): void {
    const waiting = this.#waiting.get(owner);
    this.#waiting.delete(owner);
    waiting?.forEach(({ begin }) => begin(false));
  }

  #takeFree(): boolean {
    const nowMs = monotonicMs();
    this.#free = Math.min(AT_ONCE, this.#free + (nowMs - this.#freeAt) / FREE_MS);
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
    while (this.#waiting.size > 0) {
      await turnFor(AT_ONCE * this.#eachMs, WAITS_MS);
      for (let left = AT_ONCE; left > 0; left -= 1) {
        this.#beginNext();
      }
    }
    this.#isRunning = false;
  }

  #beginNext(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      return;
    }
    const [owner, waiting] = next;
    waiting.shift()?.begin(true);
    this.#waiting.delete(owner);
    if (waiting.length > 0) {
      this.#waiting.set(owner, waiting);
    }
  }
}
