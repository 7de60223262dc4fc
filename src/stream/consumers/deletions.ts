import type { MessageText } from "../../internal/message-text.ts";
import type { DeletionWatcher } from "../log/log.ts";

import type { Consumer } from "./consumer.ts";
import type { LostMessages } from "./cursor/types.ts";
import type { LogReader } from "./delivery/log-reader.ts";
import { passEarly } from "./new-messages.ts";
import type { PendingCounter } from "./pending-counter.ts";
import { scanThrough } from "./scan.ts";
import type { ScanRange, ScanSources } from "./scan.ts";

/**
 * What a trim looks through to count what consumers lose, in the turn of whoever deletes: about 10 ms. What retention
 * deletes at once is a quarter of it, and is counted for each consumer, however many there are.
 */
const TRIM_BYTES = { all: 2_097_152, each: 524_288 };

/** Tells the consumers of a stream what is deleted from its log. */
export class ConsumerDeletions implements DeletionWatcher {
  readonly #consumers: { readonly all: readonly Consumer[] };
  readonly #reader: LogReader;
  readonly #counter: PendingCounter;

  constructor(consumers: { readonly all: readonly Consumer[] }, reader: LogReader, counter: PendingCounter) {
    this.#consumers = consumers;
    this.#reader = reader;
    this.#counter = counter;
  }

  /** Counts the new messages that each loses, as far as one turn of all goes, or a little of each. */
  beforeTrim(through: number): void {
    const consumers = this.#consumers.all;
    const bytes = Math.max(TRIM_BYTES.each, TRIM_BYTES.all / consumers.length);
    passEarly(consumers, this.#counter.sources().log);
    for (const consumer of consumers) {
      const sources = this.#counter.sources(bytes);
      const range = consumer.newThrough(through, sources.log);
      consumer.trim(through, range && lostOf(range, through, sources));
    }
  }

  beforeDelete(messages: readonly MessageText[]): void {
    const { log } = this.#counter.sources();
    const consumers = this.#consumers.all;
    this.#reader.forget();
    this.#counter.forget();
    passEarly(consumers, log);
    for (const consumer of consumers) {
      consumer.lose(messages);
    }
  }
}

/** The new messages that are lost; those that were found when the effort ended. */
function lostOf(range: ScanRange, through: number, sources: ScanSources): LostMessages | undefined {
  const scanned = scanThrough(range, through, sources);
  if (scanned.through >= through) {
    return scanned.found;
  }
  const { from = scanned.through + 1, total = 0 } = scanned.found ?? {};
  return { from, to: through, total, totalIsEstimate: true };
}
