import { DurableObject } from "cloudflare:workers";

import type { ListCall, ListReply, StreamNews } from "../internal/directory-calls.ts";

import { Listings } from "./listings.ts";

/**
 * How long it is remembered that a stream was deleted: longer than a call can be on its way. A call that waits before an
 * object for long is refused as overload (developers.cloudflare.com/durable-objects/best-practices/error-handling), and an
 * object that is lost takes those that it was to answer with it. What a stream says anew is never late: it knows what it is.
 */
const REMEMBER_DELETED_MS = 86_400_000;

/** Of those remembered too long, so many are dropped for each one that comes: there are never more and more of them. */
const DROPPED_FOR_ONE = 4;

/**
 * Which streams there are, as they have said themselves. Each says once that it exists, soon after it was created, and once
 * that it does not any more, before it is deleted. One row for each name; a stream that was deleted stays as a row for a
 * while, so that what was said of it before and comes late does not bring it back.
 */
export class Directory extends DurableObject<Env> {
  readonly #listings = new Listings(this.ctx.storage);

  /**
   * Takes what a stream says of itself; what is older than what is known is passed over. Idempotent, in any order.
   *
   * @returns Undefined when it is known now, that or something later. Otherwise the epoch of another stream that is known
   *   by this name, and nothing was taken: it may be the later one of the two. Only the stream can tell, and says it again
   *   with that as `replaces`; a call that came late is never said again.
   */
  tell(news: StreamNews): string | undefined {
    const known = this.#listings.find(news.name);
    if (known !== undefined && known.epoch !== news.epoch && known.epoch !== news.replaces) {
      return known.epoch;
    }
    const isKnown =
      known?.epoch === news.epoch &&
      (known.deletions > news.deletions ||
        (known.deletions === news.deletions && (known.deleted_at === null || !news.exists)));
    if (!isKnown) {
      const nowMs = Date.now();
      this.ctx.storage.transactionSync(() => {
        this.#listings.put(news, nowMs);
        if (!news.exists) {
          this.#listings.dropDeleted(nowMs - REMEMBER_DELETED_MS, DROPPED_FOR_ONE);
        }
      });
    }
    return undefined;
  }

  /** The streams among the next rows, in the order of their names. */
  list(call: ListCall): ListReply {
    return this.#listings.list(call);
  }
}
