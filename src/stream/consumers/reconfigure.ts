import type { Log } from "../log/log.ts";
import { scanLog } from "../log/scan.ts";

import { changedConfig } from "./config.ts";
import type { ConsumerChanges } from "./config.ts";
import type { Consumer } from "./consumer.ts";
import type { DeadLetter } from "./cursor/types.ts";

/** Changes a consumer's config, and returns the dead letters that this makes. */
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
 * Passes over new messages up to the first that matches the old filter, so that the new filter applies from there on.
 * Otherwise it would apply from wherever the last scan of the log stopped, which depends on subscriptions and restarts.
 */
function passUnmatched(consumer: Consumer, log: Log): void {
  const { last } = log;
  const range = consumer.newThrough(last);
  if (range !== undefined) {
    const [found] = scanLog(log, last, [range]);
    consumer.cursor.passOver((found?.from ?? last + 1) - 1);
  }
}
