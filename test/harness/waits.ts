import { env } from "cloudflare:workers";
import { onTestFinished, vi } from "vitest";

import type { Wait } from "../../src/platform/settings.ts";

/** A request deadline that a test can wait out. What must be in time needs less by far, on a machine that stalls too. */
export const SHORT_DEADLINE_MS = 2_000;

/** Shortens the request deadline of every object of the Worker to {@link SHORT_DEADLINE_MS} until the test is over. */
export function shortenRequestDeadline(): void {
  overrideWait("REQUEST_DEADLINE_MS", SHORT_DEADLINE_MS);
}

/** Gives a wait of every object of the Worker another length until the test is over. */
export function overrideWait(wait: Wait, ms: number): void {
  onTestFinished(setWait(wait, ms));
}

/** Gives a wait of every object of the Worker another length; returns what undoes that. */
export function setWait(wait: Wait, ms: number): () => void {
  // The objects run in the isolate of the test, and read the same bindings.
  const before: unknown = Reflect.get(env, wait);
  Reflect.set(env, wait, String(ms));
  return () => {
    if (before === undefined) {
      Reflect.deleteProperty(env, wait);
    } else {
      Reflect.set(env, wait, before);
    }
  };
}

/** What is due runs, but no timer. */
export async function microtasks(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await Promise.resolve();
  }
}

/** Counts the pauses of all objects that go on at once, until the test is over; the function tells the most there were. */
export function countPauses(): () => number {
  const wait = scheduler.wait.bind(scheduler);
  let now = 0;
  let most = 0;
  const spy = vi.spyOn(scheduler, "wait").mockImplementation(async (...given) => {
    now += 1;
    most = Math.max(most, now);
    await wait(...given);
    now -= 1;
  });
  onTestFinished(() => spy.mockRestore());
  return () => most;
}
