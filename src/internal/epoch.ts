/** Why an epoch of a stream ended: the stream was deleted, or restored to an earlier state. */
export type StreamEnd = "streamDeleted" | "streamRestored";

/**
 * The last message that a reader saw of a log. Its time tells it from another message of the same sequence, in a log
 * that was restored to an earlier state and has grown since; 0 when it is not known.
 */
export type Seen = { sequence: number; publishedAt: number };

/**
 * An epoch is `<origin>`, or `<origin>.<branch>` after the stream was restored to an earlier state: the log has
 * branched, and earlier positions do not apply to it. The origin stays the same, so that a caller with an epoch that
 * ended is told why, without a table of past epochs.
 */
const BRANCH = ".";
const BRANCH_CHARACTERS = 12;

/** The epoch of a new stream. */
export function newEpoch(): string {
  return crypto.randomUUID();
}

/** The epoch of a stream after it was restored to an earlier state. */
export function branchedEpoch(epoch: string): string {
  return `${originOf(epoch)}${BRANCH}${crypto.randomUUID().slice(-BRANCH_CHARACTERS)}`;
}

/**
 * Why an epoch ended.
 *
 * @param current The present epoch; undefined when there is no stream.
 */
export function endOf(epoch: string, current: string | undefined): StreamEnd {
  return current !== undefined && originOf(current) === originOf(epoch) ? "streamRestored" : "streamDeleted";
}

function originOf(epoch: string): string {
  const [origin = epoch] = epoch.split(BRANCH);
  return origin;
}
