import { LIMITS } from "../../../rpc/index.ts";
import type { MessageText } from "../../internal/message-text.ts";
import type { DeletionWatcher, Log } from "../log/log.ts";

import type { Consumer } from "./consumer.ts";
import { joinLost } from "./cursor/lost.ts";
import type { LostMessages } from "./cursor/types.ts";
import type { LogReader } from "./delivery/log-reader.ts";
import { passEarly } from "./new-messages.ts";
import type { PendingCounter } from "./pending-counter.ts";
import { Effort, foundIn, MESSAGE_COST, scanThrough, TURN_BYTES } from "./scan.ts";
import type { FilteredRange, ScanRange, ScanSources } from "./scan.ts";

/** What a trim looks through to count what all consumers lose, in the turn of whoever deletes: about 10 ms. */
const TRIM_BYTES = 2_097_152;
/** What it costs to match a message that was read, as bytes. */
const MATCH_COST = 32;

/** The new messages that are lost by those with the same filter at the same place. */
type Loss<Range extends ScanRange = ScanRange> = { readonly range: Range; lost: LostMessages | undefined };

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

  /** Counts the new messages that each loses, as far as one turn of all goes. */
  beforeTrim(through: number): void {
    const consumers = this.#consumers.all;
    const { log } = this.#counter.sources();
    passEarly(consumers, log);
    const losses = new Map<string, Loss>();
    const lossOf = consumers.map((consumer) => {
      const range = consumer.newThrough(through, log);
      if (range === undefined) {
        return undefined;
      }
      const key = `${range.from} ${range.filter?.text ?? ""}`;
      const loss = losses.get(key) ?? { range, lost: undefined };
      losses.set(key, loss);
      return loss;
    });
    this.#count([...losses.values()], through);
    consumers.forEach((consumer, index) => consumer.trim(through, lossOf[index]?.lost));
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

  #count(losses: readonly Loss[], through: number): void {
    const sources = this.#counter.sources();
    const filtered: Loss<FilteredRange>[] = [];
    for (const loss of losses) {
      if (isFiltered(loss)) {
        filtered.push(loss);
      } else {
        loss.lost = sources.log.messagesBetween(loss.range.from, through);
      }
    }
    if (isReadTogether(filtered, through, sources.log)) {
      countTogether(filtered, through, sources.reader);
    } else {
      countApart(filtered, through, sources);
    }
  }
}

function isFiltered(loss: Loss): loss is Loss<FilteredRange> {
  return loss.range.filter !== undefined;
}

/** Whether to read a range for all is within a trim's effort, and no more than to look at the index for each. */
function isReadTogether(losses: readonly Loss<FilteredRange>[], through: number, log: Log): boolean {
  const from = firstOf(losses);
  if (from > through) {
    return true;
  }
  const bytes = log.bytesFrom(from) - log.bytesFrom(through + 1);
  const costs = bytes + (through - from + 1) * (MESSAGE_COST + losses.length * MATCH_COST);
  return costs <= Math.min(TRIM_BYTES, losses.length * TURN_BYTES);
}

/** Reads each page once for all. What retention deletes with a publish is a part of a page, which is kept for the next. */
function countTogether(losses: readonly Loss<FilteredRange>[], through: number, reader: LogReader): void {
  for (let from = firstOf(losses); from <= through;) {
    const page = reader.from(from, LIMITS.pageMessages);
    if (page === undefined) {
      throw new Error("a trim goes beyond the log");
    }
    const messages = page.messages.filter(({ sequence }) => sequence <= through);
    for (const loss of losses) {
      loss.lost = joinLost(loss.lost, foundIn(messages, loss.range));
    }
    from = page.last + 1;
  }
}

/** Has each look at the index with its part of the effort, and with what those before it have left, or took too much. */
function countApart(losses: readonly Loss<FilteredRange>[], through: number, sources: ScanSources): void {
  let left = 0;
  for (const loss of losses) {
    const effort = new Effort(left + TRIM_BYTES / losses.length);
    loss.lost = lostOf(loss.range, through, { ...sources, effort });
    ({ left } = effort);
  }
}

function firstOf(losses: readonly Loss[]): number {
  return Math.min(...losses.map(({ range }) => range.from));
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
