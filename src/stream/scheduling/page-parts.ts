import type { Page, PageCall, PageReply } from "../../internal/calls.ts";
import { MESSAGE_SEPARATOR } from "../../internal/message-text.ts";
import { inPieces } from "../../internal/pieces.ts";
import { pauseBetweenTurns } from "../../platform/scheduling/pace.ts";

import { ROW_BYTES } from "../log/log.ts";

/** Most text that is read at once, but for a single row: a page of a megabyte would hold the stream for three milliseconds. */
const PART_BYTES = 2 * ROW_BYTES;

/**
 * Reads a page of the log. A large one is read in parts, between which whatever has come runs, a deletion too: what is read is in the
 * page all the same, and where the next part is gone the page ends.
 *
 * @param read Reads one part.
 */
export async function readInParts(read: (...call: PageCall) => PageReply, call: PageCall): Promise<PageReply> {
  const [from, messages, bytes, epoch, filter, takesPieces = false] = call;
  if (filter !== undefined || bytes <= PART_BYTES) {
    return read(...call);
  }
  let page = read(from, messages, PART_BYTES, epoch);
  while (isPage(page) && mayGoOn(page, { messages, bytes })) {
    await pauseBetweenTurns();
    const left = messages - (page.last - page.first + 1);
    const next = read({ sequence: page.last + 1 }, left, Math.min(PART_BYTES, bytes - page.bytes), page.epoch);
    if (!isPage(next) || next.skipped !== undefined || page.bytes + MESSAGE_SEPARATOR.length + next.bytes > bytes) {
      break;
    }
    page = joined(page, next);
  }
  return isPage(page) ? inPieces(page, takesPieces) : page;
}

function isPage(reply: PageReply): reply is Page {
  return reply !== undefined && !("refused" in reply);
}

/** Whether there is more to read, and most likely room for a row of it. */
function mayGoOn({ first, last, ...page }: Page, most: { messages: number; bytes: number }): boolean {
  const covered = last - first + 1;
  return covered > 0 && covered < most.messages && last < page.lastSequence && page.bytes + ROW_BYTES <= most.bytes;
}

/** A page and the part behind it. */
function joined(page: Page, next: Page): Page {
  const separator = page.count > 0 && next.count > 0 ? MESSAGE_SEPARATOR : "";
  return {
    ...page,
    last: next.last,
    lastSequence: next.lastSequence,
    publishedAt: next.publishedAt,
    count: page.count + next.count,
    bytes: page.bytes + separator.length + next.bytes,
    text: page.text + separator + next.text,
  };
}
