import { deferred } from "./deferred.ts";

/** A pending timer: a number in browsers and Workers, an object in Node.js. */
export type Timer = ReturnType<typeof setTimeout>;

/** Stops a timer, if there is one. Not every runtime's types allow `clearTimeout(undefined)`. */
export function stopTimer(timer: Timer | undefined): void {
  if (timer !== undefined) {
    clearTimeout(timer);
  }
}

/**
 * Milliseconds of a monotonic clock, to measure durations: the wall clock may be set back, and would then extend a wait.
 * Comparable only within this process.
 */
export function monotonicMs(): number {
  return performance.now();
}

/** Default timeout of `close` and `drain`, in milliseconds. */
export const DRAIN_MS = 10_000;

/** The longest delay of a timer, which is a signed 32-bit number. A longer one fires at once. */
export const LONGEST_MS = 2_147_483_647;

/**
 * Runs something after so many milliseconds, but after 24 days at the latest: the caller checks its deadline again. A time
 * in the past is 0: Node.js warns of a negative one.
 */
export function startTimer(ms: number, run: () => void): Timer {
  return setTimeout(run, Math.max(0, Math.min(ms, LONGEST_MS)));
}

/** Waits so many milliseconds. Once the signal has aborted it never resolves: the caller races it with the signal. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = startTimer(ms, () => {
      signal.removeEventListener("abort", stop);
      resolve();
    });
    const stop = () => stopTimer(timer);
    signal.addEventListener("abort", stop);
  });
}

/**
 * Waits for a promise, at most so many milliseconds.
 *
 * @returns The promise's value; undefined when the time was over before.
 */
export async function waitAtMost<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const late = deferred<undefined>();
  const timer = startTimer(ms, () => late.resolve(undefined));
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    stopTimer(timer);
  }
}
