import type { Page, PageCall, PageReply } from "../../internal/calls.ts";
import type { Refused } from "../../platform/refused.ts";

import { Lane } from "./lane.ts";
import { readInParts } from "./page-parts.ts";

/**
 * What a page with a filter takes at least, as of a row that is read few messages are taken: half a millisecond, so eight of them
 * are a turn. To look through lists of subjects takes less for their length than to read messages: 4 MiB of them some 5 to 10 ms.
 */
const FILTERED_BYTES = 8_192;
const LOOKED_PART = 1 / 8;
/** What subscriptions that join together take: they may be delivered to, and every consumer is looked at; and each of them. */
const JOIN_BYTES = { all: 32_768, each: 2_048 };

/** Reads of a stream, and subscriptions that join its consumers: clients may ask for many at once, so they have a {@link Lane}. */
export class PacedCalls {
  readonly #lane = new Lane();

  /** Reads a page in its turn, with or without a filter. @param read As {@link readInParts} takes it. */
  read(read: (...call: PageCall) => PageReply, call: PageCall): Promise<PageReply> {
    const [, , , , filter] = call;
    return this.#lane.run(
      () => readInParts(read, call),
      (page) => (page === undefined || "refused" in page ? 0 : sizeOf(page, filter)),
    );
  }

  /** Has so many subscriptions join consumers in their turn. @returns What became of each. */
  async join<Reply>(count: number, call: () => Reply[] | Refused): Promise<(Reply | Refused)[]> {
    const joined = await this.#lane.run(call, () => JOIN_BYTES.all + count * JOIN_BYTES.each);
    return Array.isArray(joined) ? joined : Array.from({ length: count }, () => joined);
  }
}

/** What a page took, as text that is read. */
function sizeOf({ bytes, looked = 0 }: Page, filter: string | undefined): number {
  const least = filter === undefined ? 0 : FILTERED_BYTES;
  return Math.max(bytes, least) + looked * LOOKED_PART;
}
