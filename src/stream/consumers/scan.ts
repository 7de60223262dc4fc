import type { Consumer } from "./consumer.ts";
import type { Log } from "../log/log.ts";
import { scanLog } from "../log/scan.ts";
import type { ScanResult, ScanRange } from "../log/scan.ts";

/** Has consumers that start at a time to come pass over what is before it, which goes before all that reads the log. */
export function passEarly(consumers: Iterable<Consumer>, log: Log): void {
  for (const consumer of consumers) {
    consumer.passEarly(log);
  }
}

/** Tells consumers that everything up to a sequence is going to be deleted, and what new messages they lose by it. */
export function trimConsumers(consumers: readonly Consumer[], through: number, log: Log): void {
  passEarly(consumers, log);
  const lost = scanConsumers(log, through, { consumers, ask: (consumer) => consumer.newThrough(through) });
  for (const consumer of consumers) {
    consumer.trim(through, lost.get(consumer));
  }
}

/** Brings the counts that consumers keep of new messages up to the end of the log. */
export function countNewMessages(consumers: readonly Consumer[], log: Log): void {
  const { last } = log;
  for (const [consumer, found] of scanConsumers(log, last, { consumers, ask: (one) => one.uncounted(last) })) {
    consumer.counted(last, found);
  }
}

/** Scans the log once for all consumers that ask for something. */
function scanConsumers(
  log: Log,
  through: number,
  { consumers, ask }: { consumers: readonly Consumer[]; ask: (consumer: Consumer) => ScanRange | undefined },
): Map<Consumer, ScanResult | undefined> {
  const asked: Consumer[] = [];
  const ranges: ScanRange[] = [];
  for (const consumer of consumers) {
    const stretch = ask(consumer);
    if (stretch !== undefined) {
      asked.push(consumer);
      ranges.push(stretch);
    }
  }
  const found = scanLog(log, through, ranges);
  return new Map(asked.map((consumer, index) => [consumer, found[index]]));
}
