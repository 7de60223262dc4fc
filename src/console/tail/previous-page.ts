import type { ReadPage } from "./page-reader.ts";
import { rowsOfPage } from "./rows.ts";
import type { Row } from "./rows.ts";

/** Messages that are asked for at once. */
export const PAGE_MESSAGES = 250;

/** Sequences that are looked through at once for what a filter lets pass, at most. */
const MOST_SEQUENCES = 1_000_000;

/** Rows that stand before others. */
export type PreviousPage = {
  readonly rows: readonly Row[];
  /** The first sequence that was looked at: the page before ends before it. */
  readonly from: number;
  /** Whether nothing is before it: the stream begins here. */
  readonly isFirst: boolean;
  /** Sequences to look through for the page before. */
  readonly step: number;
};

/**
 * Reads the page before a sequence. Pages are read forwards only, so how far back it begins is a guess, from `step` on: one
 * that is cut before it has come up is too long, and a shorter one is tried.
 */
export async function readPrevious(
  read: ReadPage,
  { before, epoch, step: first, isFiltered }: { before: number; epoch: string; step: number; isFiltered: boolean },
): Promise<PreviousPage> {
  let step = first;
  for (let isCut = false; ; isCut = true) {
    const from = Math.max(1, before - step);
    const page = await read({ from: { sequence: from }, epoch, limit: Math.min(PAGE_MESSAGES, before - from) });
    const messages = page.messages.filter(({ sequence }) => sequence < before);
    // A page that goes beyond is whole, and so is one of which nothing is left but what was deleted.
    if (
      page.nextSequence >= before ||
      messages.length < page.messages.length ||
      page.nextSequence > page.lastSequence
    ) {
      const { epoch: of, skipped } = page;
      // What was skipped is below the first message: nothing is before it.
      const start = skipped === undefined ? from : 1;
      const rows = rowsOfPage({ epoch: of, messages, skipped }, { from: start, end: before, isFiltered });
      const isSparse = !isCut && messages.length < PAGE_MESSAGES / 2;
      return { rows, from: start, isFirst: start === 1, step: isSparse ? Math.min(step * 4, MOST_SEQUENCES) : step };
    }
    step = Math.max(1, Math.min(page.nextSequence - from, Math.floor(step / 2)));
  }
}
