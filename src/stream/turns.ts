/** Longer than a timer of 0 takes: a call crosses several objects, and would meet a turn at each of them. */
const PAUSE_MS = 2;

/**
 * Between two turns of some work: whatever has come meanwhile runs. A turn takes about as long, so that a call beside the
 * work waits for few of them.
 */
export async function pauseBetweenTurns(ms = PAUSE_MS): Promise<void> {
  await scheduler.wait(ms);
}
