import { deferred } from "./deferred.ts";

/** A pending timer: a number in browsers and Workers, an object in Node.js. */
export type Timer = ReturnType<typeof setTimeout>;

/** Stops a timer, if there is one. Not every runtime's types let `clearTimeout` take undefined. */
export function stopTimer(timer: Timer | undefined): void {
  if (timer !== undefined) {
    clearTimeout(timer);
  }
}

/** Waits for a promise, at most so many milliseconds. */
export async function waitAtMost(ms: number, promise: Promise<unknown>): Promise<void> {
  const late = deferred<void>();
  const timer = setTimeout(late.resolve, ms);
  try {
    await Promise.race([promise, late.promise]);
  } finally {
    stopTimer(timer);
  }
}
