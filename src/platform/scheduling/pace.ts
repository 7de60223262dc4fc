import { monotonicMs } from "../clock.ts";

/** Longer than a timer of 0 takes: a call crosses several objects, and would meet a turn at each of them. */
const PAUSE_MS = 2;

/**
 * Between two turns of some work: whatever has come meanwhile runs. A turn takes about as long, so that a call beside the
 * work waits for few of them.
 */
export async function pauseBetweenTurns(ms = PAUSE_MS): Promise<void> {
  await scheduler.wait(ms);
}

/** Text as large is paced. */
const LARGE_CHARACTERS = 65_536;
/** To read so much of a log and send it, or to take it from a body and store it, takes half a millisecond. */
const CHARACTERS_PER_MS = 40_960;

/** Nobody waits longer, however many came at once; and so far at most the clock is ahead. */
const MOST_WAIT_MS = 2_000;

/** So far the clock is ahead at most by what was charged and had no turn. */
const MOST_CHARGED_MS = 50;

let freeAtMs = 0;

/**
 * Waits for the turn of work that clients may have an isolate do much of at once, over all its objects: for so long no other
 * has one, so that whatever else has come runs. By the clock, because a promise of one object is not to be awaited in
 * another.
 *
 * @param ms Twice as long as the work takes.
 * @param waits.least Of work that goes on in turns: it waits for so long, in ms, though no other has one.
 * @param waits.most Of work that is not to depend on how much else there is.
 */
export async function turnFor(ms: number, { least = 0, most = MOST_WAIT_MS }: Waits = {}): Promise<void> {
  const nowMs = monotonicMs();
  const waitMs = Math.min(Math.max(least, freeAtMs - nowMs), most);
  freeAtMs = Math.min(Math.max(freeAtMs, nowMs + waitMs) + ms, nowMs + MOST_WAIT_MS);
  if (waitMs > 0) {
    await scheduler.wait(waitMs);
  }
}

type Waits = { readonly least?: number; readonly most?: number };

/** Text was read and is sent now, of which it was not known before how much it is: others wait for it as {@link turnFor} has them. */
export function chargeText(characters: number): void {
  if (!isLargeText(characters)) {
    return;
  }
  const nowMs = monotonicMs();
  const chargedMs = Math.max(freeAtMs, nowMs) + characters / CHARACTERS_PER_MS;
  freeAtMs = Math.max(freeAtMs, Math.min(chargedMs, nowMs + MOST_CHARGED_MS));
}

/** Whether text is so large that it waits for its turn. */
export function isLargeText(characters: number): boolean {
  return characters >= LARGE_CHARACTERS;
}

/** The turn of text to be read or sent; undefined for one that is small, which waits for none. */
export function turnForText(characters = 0): Promise<void> | undefined {
  return isLargeText(characters) ? turnFor(characters / CHARACTERS_PER_MS) : undefined;
}
