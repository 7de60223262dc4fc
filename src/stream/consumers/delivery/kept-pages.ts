import type { MessageText } from "../../../internal/message-text.ts";

/** Most that the pages of all readers of an isolate take: its objects share 128 MB. */
const MOST_BYTES = 8_388_608;
/** What a message takes beside its text. */
const MESSAGE_BYTES = 128;
/** Pages that one reader keeps. */
const MOST_PAGES = 8;

/** A part of the log without gaps, split into the messages that exist there. */
export type Page = {
  readonly first: number;
  readonly last: number;
  /** What the text of the messages takes in memory. */
  readonly bytes: number;
  readonly messages: readonly MessageText[];
};

/** Where a page is kept; it is empty when the page was dropped. */
type Place = { page: Page | undefined };

/**
 * The pages that are kept in this isolate, the one used last is the last. A page only, nothing that leads to its reader:
 * the objects of readers that are gone are not kept with what they have read, which is dropped in its turn.
 */
const places = new Set<Place>();
let newest: Place | undefined;
let keptBytes = 0;

/**
 * The pages that a reader of the log keeps. All of an isolate share {@link MOST_BYTES}: who needs room drops the page that
 * was used longest ago, whoever has read it.
 */
export class KeptPages {
  /** The one used last is the last. */
  #places: Place[] = [];

  /** The page that has a sequence. */
  find(sequence: number): Page | undefined {
    return this.#places.findLast(({ page }) => page !== undefined && page.first <= sequence && sequence <= page.last)
      ?.page;
  }

  /** Whether a page ends with a sequence. */
  hasEnd(sequence: number): boolean {
    return this.#places.some(({ page }) => page?.last === sequence);
  }

  /** A page was used: keeps it, and drops what was used longest ago. */
  use(page: Page): void {
    const last = this.#places.at(-1);
    if (last?.page === page) {
      touch(last);
      return;
    }
    const place = this.#places.find((other) => other.page === page) ?? { page };
    const others = this.#places.filter((other) => other.page !== undefined && other !== place);
    others.splice(0, others.length - MOST_PAGES + 1).forEach(drop);
    this.#places = [...others, place];
    touch(place);
  }

  /** Drops all. */
  clear(): void {
    this.#places.splice(0).forEach(drop);
  }
}

/** A place is the one used last. */
function touch(place: Place): void {
  if (place === newest) {
    return;
  }
  keptBytes += places.delete(place) ? 0 : bytesOf(place);
  places.add(place);
  newest = place;
  for (const other of places) {
    if (keptBytes <= MOST_BYTES || other === place) {
      return;
    }
    drop(other);
  }
}

function drop(place: Place): void {
  if (places.delete(place)) {
    keptBytes -= bytesOf(place);
  }
  place.page = undefined;
  newest = newest === place ? undefined : newest;
}

function bytesOf({ page }: Place): number {
  return page === undefined ? 0 : page.bytes + page.messages.length * MESSAGE_BYTES;
}
