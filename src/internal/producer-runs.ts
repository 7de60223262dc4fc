import type { ProducerState } from "../../rpc/index.ts";

/** Who publishes a request; `sequence` is that of its first message (see the contract's `Producer`). */
export type PublishProducer = { id: string; epoch: number; sequence: number; after?: ProducerState };

/**
 * The producers of the requests of a call. Requests that stand together, of one producer and without a gap in its
 * sequences, are one run: what a client publishes one by one is one element of each list.
 */
export type ProducerRuns = {
  /** The first request of each run. */
  requests: number[];
  /** How many requests it has. */
  lengths: number[];
  /** How many messages they have. */
  messages: number[];
  ids: string[];
  epochs: number[];
  /** The sequence of its first message. */
  sequences: number[];
  /** Where the producer is to be before it, if that was said. */
  afters: (ProducerState | null)[];
};

/** A run as its first request, with how many requests follow each other. */
export type ProducerRun = { request: number; length: number; producer: PublishProducer };

/** No runs yet. */
export function noProducers(): ProducerRuns {
  return { requests: [], lengths: [], messages: [], ids: [], epochs: [], sequences: [], afters: [] };
}

/** Adds the producer of a request, which is behind those that were added before. @param messages How many it has. */
export function addProducer(runs: ProducerRuns, request: number, producer: PublishProducer, messages: number): void {
  const { id, epoch, sequence, after } = producer;
  const run = runs.ids.length - 1;
  const [length = 0, before = 0] = [runs.lengths[run], runs.messages[run]];
  const isNext = (runs.requests[run] ?? 0) + length === request && (runs.sequences[run] ?? 0) + before === sequence;
  if (isNext && after === undefined && runs.ids[run] === id && runs.epochs[run] === epoch) {
    runs.lengths[run] = length + 1;
    runs.messages[run] = before + messages;
    return;
  }
  runs.requests.push(request);
  runs.lengths.push(1);
  runs.messages.push(messages);
  runs.ids.push(id);
  runs.epochs.push(epoch);
  runs.sequences.push(sequence);
  runs.afters.push(after ?? null);
}

/** The run at an index; undefined past the last one. */
export function producerRun(runs: ProducerRuns, index: number): ProducerRun | undefined {
  const [request, id, after] = [runs.requests[index], runs.ids[index], runs.afters[index]];
  if (request === undefined || id === undefined) {
    return undefined;
  }
  const producer: PublishProducer = { id, epoch: runs.epochs[index] ?? 0, sequence: runs.sequences[index] ?? 0 };
  if (after !== undefined && after !== null) {
    producer.after = after;
  }
  return { request, length: runs.lengths[index] ?? 1, producer };
}
