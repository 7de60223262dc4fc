let seenMs = 0;
let passedMs = 0;

/**
 * Milliseconds since some time, for what waits or wears off: as `Date.now`, but it never goes back. When the system's clock
 * does, no more is lost than what passed since the last call.
 */
export function monotonicMs(): number {
  const nowMs = Date.now();
  passedMs += Math.max(0, nowMs - seenMs);
  seenMs = nowMs;
  return passedMs;
}
