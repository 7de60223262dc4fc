/** Why an epoch of a stream is over: the stream was deleted, or put back to an earlier state. */
export type StreamEnd = "streamDeleted" | "streamRestored";

/**
 * How far somebody saw a log go. The time tells the message from another of the same sequence, in a log that was put
 * back to an earlier state and has grown since; 0 when it is not known.
 */
export type Seen = { sequence: number; publishedAt: number };

/**
 * An epoch is `<life>`, or `<life>.<branch>` once the stream was put back to an earlier state: the log has branched off
 * the one that was known, and positions of before say nothing of it. The life is kept in it, so that a caller who comes
 * with an epoch that is over can be told why without a table of them.
 */
const BRANCH = ".";
const BRANCH_CHARACTERS = 12;

/** The epoch of a stream that is made. */
export function newEpoch(): string {
  return crypto.randomUUID();
}

/** The epoch of a stream that was put back to an earlier state. */
export function branchedEpoch(epoch: string): string {
  return `${lifeOf(epoch)}${BRANCH}${crypto.randomUUID().slice(-BRANCH_CHARACTERS)}`;
}

/**
 * How an epoch came to be over.
 *
 * @param current The epoch there is now; undefined when there is no stream.
 */
export function endOf(epoch: string, current: string | undefined): StreamEnd {
  return current !== undefined && lifeOf(current) === lifeOf(epoch) ? "streamRestored" : "streamDeleted";
}

function lifeOf(epoch: string): string {
  const [life = epoch] = epoch.split(BRANCH);
  return life;
}
