/**
 * What streams and callers say to the Directory. It may be of another version: the rules are those of `calls.ts`.
 */

/** What a stream says of itself. */
export type StreamNews = {
  name: string;
  epoch: string;
  createdAt: number;
  /**
   * How many deletions of the stream had begun when it was said. News of one epoch may come late or twice: the higher
   * number is the later one, and of equal ones that which says that the stream exists, because a deletion counts before it
   * is said.
   */
  deletions: number;
  /** False when the stream is about to be deleted. */
  exists: boolean;
  /** The epoch that the Directory has of this name, and that this one came after. */
  replaces?: string;
};

/** Which rows of the Directory to look at, in the order of names. */
export type ListCall = {
  /** Only names that begin with it. */
  prefix: string;
  /** Only names that come after it; empty for all. */
  after: string;
  /** Rows to look at, at most; those of deleted streams count. */
  rows: number;
};

/** The streams among the rows that were looked at; an element of each array for one. */
export type ListReply = {
  names: string[];
  epochs: string[];
  createdAt: number[];
  /** The last name that was looked at; left out when there is none behind it. */
  lookedThrough?: string;
};

/** The Directory. There is one; were there more, each had the names that hash to it, and this would take a name. */
export function directoryOf(env: Env): ReturnType<Env["DIRECTORY"]["getByName"]> {
  return env.DIRECTORY.getByName("streams");
}
