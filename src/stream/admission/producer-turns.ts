import type { ProducerState, StoredRange } from "../../../rpc/index.ts";
import type { PublishProducer } from "../../internal/producer-runs.ts";
import type { Refused } from "../../platform/refused.ts";

import type { StoredRun } from "../log/stored-runs.ts";
import { rangesOf, Runs } from "../producers/runs.ts";
import type { KnownProducer } from "../producers/runs.ts";
import { turnOf } from "../producers/turn.ts";

/** What the turns of producers go by. */
type ProducerSource = {
  publishedAt: number;
  findProducer: (id: string) => ProducerState | undefined;
  findPlaces: (id: string, first: number, count: number) => StoredRange[];
  producerRoom: () => number;
};

/** The producers of one call: as the stream knows them, and what the call stores of each. */
export class ProducerTurns {
  /** What is stored, in the order of the stream. */
  readonly runs: StoredRun[] = [];
  readonly #source: ProducerSource;
  /** Those that the call has stored messages of; their runs are those of the call. */
  readonly #stored = new Map<string, KnownProducer>();
  #added = 0;

  constructor(source: ProducerSource) {
    this.#source = source;
  }

  /** Where the first messages of a request are, as far as they are stored already; a refusal when it is not its turn. */
  turn(producer: PublishProducer, count: number): { stored: StoredRange[] } | Refused {
    const { id, sequence: first } = producer;
    const before = this.#source.findProducer(id);
    const ofCall = this.#stored.get(id);
    const turn = turnOf(producer, ofCall ?? before);
    if ("refused" in turn) {
      return turn;
    }
    const stored = Math.min(count, turn.stored);
    if (stored === 0) {
      return { stored: [] };
    }
    const isOlder = before !== undefined && (ofCall === undefined || before.epoch === ofCall.epoch);
    const older = isOlder ? Math.max(0, Math.min(stored, before.sequence - first + 1)) : 0;
    return {
      stored: [
        ...(older > 0 ? this.#source.findPlaces(id, first, older) : []),
        ...(older < stored && ofCall !== undefined ? rangesOf(ofCall, first + older, stored - older) : []),
      ],
    };
  }

  /** How many more producers may be stored, before this one; any number when it is known. */
  roomFor(id: string): number {
    const isKnown = this.#stored.has(id) || this.#source.findProducer(id) !== undefined;
    return isKnown ? Infinity : this.#source.producerRoom() - this.#added;
  }

  /** Messages of a producer are stored, behind those that were before. */
  store(
    { id, epoch, sequence }: PublishProducer,
    { skipped, count, firstSequence }: { skipped: number; count: number; firstSequence: number },
  ): void {
    const { publishedAt } = this.#source;
    const first = sequence + skipped;
    const before = this.#stored.get(id);
    if (before === undefined && this.#source.findProducer(id) === undefined) {
      this.#added += 1;
    }
    const runs = before !== undefined && before.epoch === epoch ? before.runs : new Runs([], 0);
    runs.add({ first, count, firstSequence, publishedAt });
    const lastSequence = firstSequence + count - 1;
    this.#stored.set(id, { epoch, sequence: first + count - 1, lastSequence, lastPublishedAt: publishedAt, runs });

    const last = this.runs.at(-1);
    if (last?.id === id && last.epoch === epoch && last.firstSequence + last.count === firstSequence) {
      last.count += count;
    } else {
      this.runs.push({ id, epoch, first, count, firstSequence });
    }
  }
}
