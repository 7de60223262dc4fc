import type { Log } from "../log/log.ts";
import { scanLog } from "../log/scan.ts";
import type { ScanResult, ScanRange } from "../log/scan.ts";

import type { Consumer } from "./consumer.ts";

/** Has consumers pass over messages from before their start time. To be called before anything else reads the log. */
export function passEarly(consumers: Iterable<Consumer>, log: Log): void {
  for (const consumer of consumers) {
    consumer.passEarly(log);
  }
}

/** Prepares consumers for the deletion of all messages through a sequence; counts the new ones that they lose. */
export function trimConsumers(consumers: readonly Consumer[], through: number, log: Log): void {
  passEarly(consumers, log);
  const lost = scanConsumers(log, through, { consumers, ask: (consumer) => consumer.newThrough(through) });
  for (const consumer of consumers) {
    consumer.trim(through, lost.get(consumer));
  }
}

/** Updates the consumers' counts of new messages to the end of the log. */
export function countNewMessages(consumers: readonly Consumer[], log: Log): void {
  const { last } = log;
  for (const [consumer, found] of scanConsumers(log, last, { consumers, ask: (one) => one.uncounted(last) })) {
    consumer.counted(last, found);
  }
}

/** Scans the log once for all consumers that ask for a range. */
function scanConsumers(
  log: Log,
  through: number,
  { consumers, ask }: { consumers: readonly Consumer[]; ask: (consumer: Consumer) => ScanRange | undefined },
): Map<Consumer, ScanResult | undefined> {
  const asked: Consumer[] = [];
  const ranges: ScanRange[] = [];
  for (const consumer of consumers) {
    const range = ask(consumer);
    if (range !== undefined) {
      asked.push(consumer);
      ranges.push(range);
    }
  }
  const found = scanLog(log, through, ranges);
  return new Map(asked.map((consumer, index) => [consumer, found[index]]));
}
