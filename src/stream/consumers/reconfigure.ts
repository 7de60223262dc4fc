import type { Consumer } from "./consumer.ts";
import { changedConfig } from "./config.ts";
import type { ConsumerChanges } from "./config.ts";
import { scanLog } from "../log/scan.ts";
import type { DeadLetter } from "./cursor/types.ts";
import type { Log } from "../log/log.ts";

/** Changes a consumer's config, and returns what died of it. */
export function reconfigure(
  consumer: Consumer,
  changes: ConsumerChanges,
  { log, nowMs }: { log: Log; nowMs: number },
): DeadLetter[] {
  if (changes.filter !== undefined) {
    passUnmatched(consumer, log);
  }
  return consumer.configure(changedConfig(consumer.config, changes), nowMs);
}

/**
 * Passes over new messages up to the first that matches. How far deliveries have come otherwise depends on who was
 * there to take them, and on restarts: a new filter is not to count from there.
 */
function passUnmatched(consumer: Consumer, log: Log): void {
  const { last } = log;
  const stretch = consumer.newThrough(last);
  if (stretch !== undefined) {
    const [found] = scanLog(log, last, [stretch]);
    consumer.cursor.passOver((found?.from ?? last + 1) - 1);
  }
}
