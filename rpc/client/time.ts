import { deferred } from "./calls/deferred.ts";

/** A pending timer: a number in browsers and Workers, an object in Node.js. */
export type Timer = ReturnType<typeof setTimeout>;

/** Stops a timer, if there is one. Not every runtime's types let `clearTimeout` take undefined. */
export function stopTimer(timer: Timer | undefined): void {
  if (timer !== undefined) {
    clearTimeout(timer);
  }
}

/**
 * Milliseconds on a clock that only goes forward, for how long something takes: wall time may be set back, and what is
 * timed by it would wait that much longer. Means nothing outside this process.
 */
export function monotonicMs(): number {
  return performance.now();
}

/** How long closing waits for what is open, unless it is told otherwise. */
export const DRAIN_MS = 10_000;

/** A longer delay runs at once: timers count in 32 bits. */
export const LONGEST_MS = 2_147_483_647;

/**
 * Runs something after so many milliseconds, or after 24 days when that is sooner: who waits longer looks again. What is
 * left until a deadline is negative once it has passed, of which Node.js warns: then it runs at once.
 */
export function startTimer(ms: number, run: () => void): Timer {
  return setTimeout(run, Math.max(0, Math.min(ms, LONGEST_MS)));
}

/** Waits so many milliseconds, or for ever once the signal has aborted: who aborts it waits for nothing any more. */
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
 * @returns What it was resolved with; undefined when it came too late.
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
