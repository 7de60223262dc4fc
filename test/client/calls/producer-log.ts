import { ErrorCode } from "../../../rpc/index.ts";

/** A publish of a producer, with the data of its messages. */
export type Numbered = {
  producer: { id: string; epoch: number; sequence: number; after?: { epoch: number; sequence: number } };
  data: number[];
};

/** The log of a stream with one producer, which decides as the stream does. */
export class ProducerLog {
  readonly stored: number[] = [];
  #at = { epoch: 0, sequence: 0 };

  /** Answers a publish as a stream does; a full one stores nothing more. */
  publish({ producer, data }: Numbered, isFull = false): object {
    const { epoch, sequence: last } = this.#at;
    const { after = this.#at } = producer;
    const isElsewhere = after.epoch !== epoch || after.sequence !== last;
    const next = producer.epoch === epoch ? last + 1 : 1;
    if (producer.epoch < epoch || (producer.epoch > epoch && isElsewhere) || producer.sequence > next) {
      return { error: { code: ErrorCode.Conflict, message: "not its turn", data: { producer: this.#at } } };
    }
    const known = Math.min(next - producer.sequence, data.length);
    if (known < data.length) {
      if (isFull) {
        return { error: { code: ErrorCode.StorageFull, message: "full", data: {} } };
      }
      this.stored.push(...data.slice(known));
      this.#at = { epoch: producer.epoch, sequence: producer.sequence + data.length - 1 };
    }
    const sequence = this.stored.length;
    return { result: { sequence, firstSequence: sequence, lastSequence: sequence, duplicate: known > 0 } };
  }
}
