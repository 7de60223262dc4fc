import { changedConfig } from "./config.ts";
import type { ConsumerChanges } from "./config.ts";
import type { Consumer } from "./consumer.ts";
import type { DeadLetter } from "./cursor/types.ts";
import { scanToFirst } from "./scan.ts";
import type { ScanSources } from "./scan.ts";

/**
 * Changes a consumer's config, and returns the dead letters that this makes; undefined when it did not come so far, and
 * the next call goes on.
 */
export function reconfigure(
  consumer: Consumer,
  changes: ConsumerChanges,
  { sources, nowMs }: { sources: ScanSources; nowMs: number },
): DeadLetter[] | undefined {
  if (changes.filter !== undefined && !passUnmatched(consumer, sources)) {
    return undefined;
  }
  return consumer.configure(changedConfig(consumer.config, changes), nowMs);
}

/**
 * Passes over new messages up to the first that matches the old filter, so that the new filter applies from there on.
 * Otherwise it would apply from wherever the last scan of the log stopped, which depends on subscriptions and restarts.
 *
 * @returns Whether it came there.
 */
function passUnmatched(consumer: Consumer, sources: ScanSources): boolean {
  const { last } = sources.log;
  const range = consumer.newThrough(last, sources.log);
  if (range === undefined) {
    return true;
  }
  const { through, found } = scanToFirst(range, last, sources);
  consumer.cursor.passOver((found?.from ?? through + 1) - 1);
  return found !== undefined || through >= last;
}
