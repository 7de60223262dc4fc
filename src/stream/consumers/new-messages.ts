import type { Log } from "../log/log.ts";

import type { Consumer } from "./consumer.ts";
import { scanStep } from "./scan.ts";
import type { ScanSources } from "./scan.ts";

/** Has consumers pass over messages from before their start time. To be called before anything else reads the log. */
export function passEarly(consumers: Iterable<Consumer>, log: Log): void {
  for (const consumer of consumers) {
    consumer.passEarly(log);
  }
}

/**
 * Goes on counting the new messages of consumers to the end of the log, those that are furthest behind first: then what is
 * read for one is there for the others.
 *
 * @returns Whether all are counted; if not, the effort is spent.
 */
export function countNewMessages(consumers: readonly Consumer[], sources: ScanSources): boolean {
  const { log, effort } = sources;
  for (;;) {
    const uncounted = consumers.flatMap((consumer) => {
      const range = consumer.uncounted(log);
      return range === undefined ? [] : { consumer, range };
    });
    const [first, ...rest] = uncounted;
    if (first === undefined || effort.isSpent) {
      return first === undefined;
    }
    const { consumer, range } = rest.reduce((least, one) => (one.range.from < least.range.from ? one : least), first);
    const { through, found } = scanStep(range, log.last, sources);
    consumer.counted(through, found);
  }
}
