import { ErrorCode } from "../../rpc/index.ts";
import type { ErrorDataOf, ErrorName, PutStateParams } from "../../rpc/index.ts";
import { endOf } from "../internal/epoch.ts";
import type { Refused } from "../platform/refused.ts";

import type { Log } from "./log/log.ts";

/**
 * Thrown where a stream refuses a call, before it has changed anything. The public methods of the Durable Object return
 * it as a {@link Refused} instead (see {@link orRefused}): an exception would lose its code and data on the way.
 */
export class RefusedError<Name extends ErrorName = ErrorName> extends Error {
  readonly refused: Refused;

  constructor(name: Name, message: string, data: ErrorDataOf[Name]) {
    super(message);
    this.refused = refuse(name, message, data);
  }
}

/** The result of `act`, or the refusal that it threw. */
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

/** A refusal as a value. Admission refuses some requests of a call and stores the others, so it does not throw. */
export function refuse<Name extends ErrorName>(name: Name, message: string, data: ErrorDataOf[Name]): Refused {
  return { refused: { code: ErrorCode[name], message, data } };
}

/** What {@link expectEpoch} refuses, as a value. */
export function refuseEpoch(epoch: string | undefined, expected: string | undefined): Refused | undefined {
  return orRefused(() => {
    expectEpoch(epoch, expected);
    return undefined;
  });
}

/**
 * EpochChanged unless a stream is in the expected epoch, NotFound when there is no stream. To be checked first, because
 * revisions and sequences of different epochs can not be compared.
 *
 * @param epoch Undefined for a stream that was never used.
 * @param expected Undefined when any epoch will do.
 * @throws RefusedError
 */
export function expectEpoch(epoch: string | undefined, expected: string | undefined): void {
  if (expected === undefined || expected === epoch) {
    return;
  }
  if (epoch === undefined) {
    throw new RefusedError("NotFound", "the stream was deleted", { what: "stream" });
  }
  if (endOf(expected, epoch) === "streamDeleted") {
    const message = "the stream was deleted and made again";
    throw new RefusedError("EpochChanged", message, { epoch, reason: "deleted" });
  }
  const message = "the stream was put back to an earlier state";
  throw new RefusedError("EpochChanged", message, { epoch, reason: "restored" });
}

/** Adds the stream's epoch, if it has one, to the data of a Conflict: a retry can then name it. */
export function withEpoch<T extends object>(epoch: string | undefined, facts: T): T & { epoch?: string } {
  return epoch === undefined ? facts : { ...facts, epoch };
}

/**
 * EpochChanged, NotFound or Conflict (`revision`) unless the state is the expected one. Before the first put its
 * revision is 0.
 *
 * @param record Undefined for a stream that was never used.
 * @throws RefusedError
 */
export function expectState(
  record: { epoch: string; revision: number } | undefined,
  expected: Pick<PutStateParams, "epoch" | "expectedRevision">,
): void {
  const { epoch, revision = 0 } = record ?? {};
  expectEpoch(epoch, expected.epoch);
  if (expected.expectedRevision !== undefined && expected.expectedRevision !== revision) {
    throw new RefusedError("Conflict", "the state has another revision", withEpoch(epoch, { revision }));
  }
}

/**
 * Conflict unless a reader of a state that covers everything through a sequence can continue after it: `lastSequence`
 * when that sequence does not exist yet, `firstSequence` when messages after it are deleted already.
 *
 * @param loaded Undefined for a stream that was never used.
 * @throws RefusedError
 */
export function expectThrough(
  loaded: { record: { epoch: string }; log: Pick<Log, "floor" | "last" | "firstSequence"> } | undefined,
  through: number,
): void {
  const lastSequence = loaded?.log.last ?? 0;
  if (through > lastSequence) {
    const facts = withEpoch(loaded?.record.epoch, { lastSequence });
    throw new RefusedError("Conflict", "a checkpoint can not cover messages that do not exist", facts);
  }
  if (loaded !== undefined && through < loaded.log.floor) {
    const facts = withEpoch(loaded.record.epoch, { firstSequence: loaded.log.firstSequence() });
    throw new RefusedError("Conflict", "messages behind what the checkpoint covers are deleted already", facts);
  }
}
