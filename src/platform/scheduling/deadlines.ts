/** How long the timer may run on when nothing waits any more: little beside the ten idle seconds before an object sleeps. */
const TICK_MS = 50;

/** A deadline that is being waited for. */
export type Deadline = { readonly dueAt: number; readonly onDue: () => void };

/**
 * The deadlines of an object's calls, by one timer that ticks while there are some. A timer for each call, set and
 * cleared, costs a lone publisher a tenth of its rate, as nearly all calls are answered in time.
 */
export class Deadlines {
  readonly #waiting = new Set<Deadline>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tickAt = Number.POSITIVE_INFINITY;

  /** Calls `onDue` at a time (ms since the epoch), unless `end` was called before. */
  add(dueAt: number, onDue: () => void): Deadline {
    const deadline = { dueAt, onDue };
    this.#waiting.add(deadline);
    if (dueAt < this.#tickAt || this.#timer === undefined) {
      this.#setTimer();
    }
    return deadline;
  }

  end(deadline: Deadline): void {
    this.#waiting.delete(deadline);
  }

  #setTimer(): void {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
    }
    const nowMs = Date.now();
    this.#tickAt = Math.min(nowMs + TICK_MS, ...Array.from(this.#waiting, ({ dueAt }) => dueAt));
    this.#timer = setTimeout(() => this.#tick(), this.#tickAt - nowMs);
  }

  #tick(): void {
    this.#timer = undefined;
    this.#tickAt = Number.POSITIVE_INFINITY;
    const nowMs = Date.now();
    for (const deadline of this.#waiting) {
      if (deadline.dueAt <= nowMs) {
        this.#waiting.delete(deadline);
        deadline.onDue();
      }
    }
    if (this.#waiting.size > 0 && this.#timer === undefined) {
      this.#setTimer();
    }
  }
}
