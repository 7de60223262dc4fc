import { ErrorCode } from "../../rpc/index.ts";
import type { ErrorDataOf, ErrorName, PutStateParams } from "../../rpc/index.ts";
import type { Refused } from "../internal/calls.ts";
import { endOf } from "../internal/epoch.ts";

import type { Log } from "./log/log.ts";

/** What a stream returns instead of a result that it refuses. */
export function refuse<Name extends ErrorName>(name: Name, message: string, data: ErrorDataOf[Name]): Refused {
  return { refused: { code: ErrorCode[name], message, data } };
}

/**
 * EpochChanged unless a stream is in the life that is expected, NotFound when it is in none. It comes before every
 * other check: revisions and sequences of another life compare with nothing.
 *
 * @param epoch Undefined for a stream that was never used.
 * @param expected Undefined when any life will do.
 */
export function refuseEpoch(epoch: string | undefined, expected: string | undefined): Refused | undefined {
  if (expected === undefined || expected === epoch) {
    return undefined;
  }
  if (epoch === undefined) {
    return refuse("NotFound", "the stream was deleted", { what: "stream" });
  }
  return endOf(expected, epoch) === "streamDeleted"
    ? refuse("EpochChanged", "the stream was deleted and made again", { epoch, reason: "deleted" })
    : refuse("EpochChanged", "the stream was put back to an earlier state", { epoch, reason: "restored" });
}

/** What a Conflict tells of where a stream is: of which life, if it has one, so that the next try can name it. */
export function withEpoch<T extends object>(epoch: string | undefined, facts: T): T & { epoch?: string } {
  return epoch === undefined ? facts : { ...facts, epoch };
}

/**
 * EpochChanged, NotFound or Conflict (`revision`) unless the state is the one that is expected; before the first put
 * its revision is 0.
 *
 * @param record Undefined for a stream that was never used.
 */
export function refuseState(
  record: { epoch: string; revision: number } | undefined,
  expected: Pick<PutStateParams, "epoch" | "expectedRevision">,
): Refused | undefined {
  const { epoch, revision = 0 } = record ?? {};
  const refused = refuseEpoch(epoch, expected.epoch);
  if (refused !== undefined || expected.expectedRevision === undefined || expected.expectedRevision === revision) {
    return refused;
  }
  return refuse("Conflict", "the state has another revision", withEpoch(epoch, { revision }));
}

/**
 * Conflict unless a reader of a state that covers everything up to a sequence could go on behind it: `lastSequence` when
 * that is not given out yet, `firstSequence` when messages behind it are deleted already.
 *
 * @param life Undefined for a stream that was never used.
 */
export function refuseThrough(
  loaded: { record: { epoch: string }; log: Pick<Log, "floor" | "last" | "firstSequence"> } | undefined,
  through: number,
): Refused | undefined {
  const lastSequence = loaded?.log.last ?? 0;
  if (through > lastSequence) {
    const facts = withEpoch(loaded?.record.epoch, { lastSequence });
    return refuse("Conflict", "a checkpoint can not cover messages that do not exist", facts);
  }
  if (loaded !== undefined && through < loaded.log.floor) {
    const facts = withEpoch(loaded.record.epoch, { firstSequence: loaded.log.firstSequence() });
    return refuse("Conflict", "messages behind what the checkpoint covers are deleted already", facts);
  }
  return undefined;
}

/** Thrown by what refuses, before anything is changed; it never leaves the stream (see {@link orRefused}). */
export class RefusedError<Name extends ErrorName = ErrorName> extends Error {
  readonly refused: Refused;

  constructor(name: Name, message: string, data: ErrorDataOf[Name]) {
    super(message);
    this.refused = refuse(name, message, data);
  }
}

/** The result, or the refusal that was thrown instead. */
export function orRefused<T>(act: () => T): T | Refused {
  try {
    return act();
  } catch (error) {
    if (error instanceof RefusedError) {
      return error.refused;
    }
    throw error;
  }
}
