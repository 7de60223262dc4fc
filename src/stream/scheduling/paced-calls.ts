import type { Page, PageCall, PageReply } from "../../internal/calls.ts";
import { monotonicMs } from "../../platform/clock.ts";
import type { Refused } from "../../platform/refused.ts";
import { pauseBetweenTurns } from "../../platform/scheduling/pace.ts";
import { requestDeadlineMs } from "../../platform/settings.ts";

import { refuse } from "../refuse.ts";
import { readInParts } from "./page-parts.ts";

/** What is done before there is a pause: text that is read, or what takes as long. */
const PACED_BYTES = 65_536;
/**
 * What a page with a filter takes at least, as of a row that is read few messages are taken: half a millisecond, so eight of them
 * are a turn. To look through lists of subjects takes less for their length than to read messages: 4 MiB of them some 5 to 10 ms.
 */
const FILTERED_BYTES = 8_192;
const LOOKED_PART = 1 / 8;
/** What subscriptions that join together take: they may be delivered to, and every consumer is looked at; and each of them. */
const JOIN_BYTES = { all: 32_768, each: 2_048 };

/**
 * Calls that clients may make many of at once and that take long, in their order: after some of them whatever else has come
 * runs before the next. One whose caller has waited for half the time of a request is refused (Unavailable): that may wait no
 * longer, and would not learn what was done.
 */
export class PacedCalls {
  #last: Promise<unknown> = Promise.resolve();
  #bytes = 0;

  /** Reads a page in its turn, with or without a filter. @param read As {@link readInParts} takes it. */
  read(read: (...call: PageCall) => PageReply, call: PageCall): Promise<PageReply> {
    const [, , , , filter] = call;
    return this.#run(
      () => readInParts(read, call),
      (page) => (page === undefined || "refused" in page ? 0 : sizeOf(page, filter)),
    );
  }

  /** Has so many subscriptions join consumers in their turn. @returns What became of each. */
  async join<Reply>(count: number, call: () => Reply[] | Refused): Promise<(Reply | Refused)[]> {
    const joined = await this.#run(call, () => JOIN_BYTES.all + count * JOIN_BYTES.each);
    return Array.isArray(joined) ? joined : Array.from({ length: count }, () => joined);
  }

  #run<Reply>(call: () => Reply | Promise<Reply>, bytesOf: (reply: Reply) => number): Promise<Reply | Refused> {
    const untilMs = monotonicMs() + requestDeadlineMs() / 2;
    const turn = this.#last.then(async () => {
      if (monotonicMs() > untilMs) {
        return refuse("Unavailable", "the stream has too much to do; try again", {});
      }
      const reply = await call();
      this.#bytes += bytesOf(reply);
      return reply;
    });
    this.#last = turn.then(
      () => this.#pauseIfDue(),
      () => undefined,
    );
    return turn;
  }

  #pauseIfDue(): Promise<void> | undefined {
    if (this.#bytes < PACED_BYTES) {
      return undefined;
    }
    this.#bytes = 0;
    return pauseBetweenTurns();
  }
}

/** What a page took, as text that is read. */
function sizeOf({ bytes, looked = 0 }: Page, filter: string | undefined): number {
  const least = filter === undefined ? 0 : FILTERED_BYTES;
  return Math.max(bytes, least) + looked * LOOKED_PART;
}
