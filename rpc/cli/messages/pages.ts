import type { DurableStream } from "../../client.ts";
import type { From, Message } from "../../index.ts";
import type { Cli } from "../cli.ts";
import { given } from "../values.ts";

/** What is read of a stream. */
export type Reading = { readonly stream: string; readonly from: From; readonly filter?: string | undefined };

/** Messages that were read together. */
export type Page = {
  readonly messages: readonly Message[];
  /** The last sequence of the stream when the read began: where it ends. */
  readonly end: number;
};

/** Most messages of a page, as the contract has it. */
const PAGE_MESSAGES = 500;

/**
 * Reads a stream up to the message that was its last one when the read began. It creates nothing, and the next page is on
 * its way while one is in hand. Messages that were deleted meanwhile are told on stderr.
 */
export async function* pagesOf(
  { output }: Cli,
  client: DurableStream,
  { stream, from, filter }: Reading,
): AsyncGenerator<Page, void, void> {
  const read = (start: From, epoch?: string) =>
    client.getMessages(given({ stream, from: start, filter, epoch, limit: PAGE_MESSAGES }));
  let page = await read(from);
  const { epoch, lastSequence: end } = page;
  for (;;) {
    const { messages, nextSequence, skipped } = page;
    const isLast = nextSequence > end;
    const next = isLast ? undefined : read({ sequence: nextSequence }, epoch);
    next?.catch(() => {
      // Safe: it is awaited below, unless the reader has left before.
    });
    if (skipped !== undefined) {
      output.note(gapText({ ...skipped, reason: "skipped" }));
    }
    yield { messages: isLast ? messages.filter(({ sequence }) => sequence <= end) : messages, end };
    if (next === undefined) {
      return;
    }
    page = await next;
  }
}

/** Sequences that are not there, for stderr. */
export function gapText({ from, to, reason }: { from: number; to: number; reason: string }): string {
  return `gap: ${from === to ? from : `${from} to ${to}`} ${reason}`;
}
