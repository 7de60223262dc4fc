import { monotonicMs } from "./clock.ts";

/** Longer than a timer of 0 takes: a call crosses several objects, and would meet a turn at each of them. */
const PAUSE_MS = 2;

/**
 * Between two turns of some work: whatever has come meanwhile runs. A turn takes about as long, so that a call beside the
 * work waits for few of them.
 */
export async function pauseBetweenTurns(ms = PAUSE_MS): Promise<void> {
  await scheduler.wait(ms);
}

/** Answers as large are paced. */
const LARGE_CHARACTERS = 65_536;
/** To send so much takes a third of a millisecond to half of one. */
const CHARACTERS_PER_MS = 65_536;

let freeAtMs = 0;

/**
 * Waits for the turn of a large answer to be sent, over all sockets of an isolate: while some are sent to those that asked
 * for many, whatever else has come runs. By the clock, because a promise of one object is not to be awaited in another.
 */
export async function turnToSend(answer: string): Promise<void> {
  if (answer.length < LARGE_CHARACTERS) {
    return;
  }
  const nowMs = monotonicMs();
  const waitMs = Math.max(0, freeAtMs - nowMs);
  freeAtMs = nowMs + waitMs + answer.length / CHARACTERS_PER_MS;
  if (waitMs > 0) {
    await scheduler.wait(waitMs);
  }
}
