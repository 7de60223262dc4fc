import { isDeepStrictEqual } from "node:util";

import { DurableStreamError } from "../../client.ts";
import type { DurableStream } from "../../client.ts";
import type { Message } from "../../index.ts";
import { refused, usage } from "../failure.ts";
import { given } from "../values.ts";
import type { Pipeline } from "./pipeline.ts";
import type { ExportRecord } from "./record.ts";

/** Most messages of one publishBatch, and sequences of one deletion, as the contract has it. */
const MOST = 500;
/** So many placeholders before the first message are deleted together, before more are stored. */
const FIRST_HOLE = 100_000;
/** By this a placeholder is known, should an import end before its holes are deleted. */
const PLACEHOLDER = { data: null, headers: { "durable-stream-import": "hole" } };

type Range = { readonly from: number; readonly to: number };

/**
 * Stores the messages of an export with their sequences. Each goes with the condition that the one before is the stream's
 * last, so a message that would get another sequence is refused, and so is all behind it. What the stream has already is
 * passed over: an import that ended early is started again.
 */
export class Importer {
  /** The last sequence that the stream had when this began. */
  there = 0;
  /** Placeholders that were stored. */
  holes = 0;
  readonly #client: DurableStream;
  readonly #pipeline: Pipeline;
  readonly #stream: string;
  readonly #withIds: boolean;
  readonly #ranges: Range[] = [];
  /** The last sequence that was read of the export. */
  #read = 0;
  /** What the stream has at its last sequence; undefined when that is deleted. */
  #last: Message | undefined;
  #isChecked = true;

  constructor(client: DurableStream, pipeline: Pipeline, { stream, withIds }: { stream: string; withIds: boolean }) {
    this.#client = client;
    this.#pipeline = pipeline;
    this.#stream = stream;
    this.#withIds = withIds;
  }

  /** Finds out what the stream has already. */
  async begin(): Promise<void> {
    const stream = this.#stream;
    try {
      this.there = (await this.#client.getStreamInfo({ stream })).lastSequence;
    } catch (error) {
      if (!(error instanceof DurableStreamError) || error.name !== "NotFound") {
        throw error;
      }
    }
    if (this.there > 0) {
      const { messages } = await this.#client.getMessages({ stream, from: { sequence: this.there }, limit: 1 });
      this.#last = messages.find(({ sequence }) => sequence === this.there);
      this.#isChecked = false;
    }
  }

  /** Takes a line of the export. @throws Failure When its sequences do not grow, or it is not what the stream has. */
  async take(record: ExportRecord, line: number): Promise<void> {
    const isMessage = "sequence" in record;
    const sequence = isMessage ? record.sequence : record.lastSequence + 1;
    if (sequence <= this.#read) {
      throw usage(`line ${line}: sequence ${sequence} comes behind ${this.#read}`);
    }
    await this.#pass({ from: this.#read + 1, to: sequence - 1 });
    this.#read = isMessage ? sequence : sequence - 1;
    if (!isMessage) {
      return;
    }
    if (sequence > this.there) {
      await this.#publish(record);
    } else if (sequence === this.there) {
      this.#check(isSame(record, this.#last, this.#withIds));
    }
  }

  /** All lines were taken: waits until all is stored, and deletes the placeholders. */
  async finish(): Promise<void> {
    await this.#pipeline.settled();
    this.#pipeline.throwIfFailed();
    this.#check(this.#isChecked);
    if (this.#ranges.length === 0) {
      return;
    }
    const stream = this.#stream;
    const { epoch, lastSequence } = await this.#client.getStreamInfo({ stream });
    if (lastSequence !== this.#read) {
      throw refused(
        "Conflict",
        `the stream has ${lastSequence} as its last sequence now: somebody else publishes to it`,
      );
    }
    const [first, ...others] = this.#ranges;
    const rest = first?.from === 1 ? others : this.#ranges;
    if (first?.from === 1) {
      await this.#client.deleteMessages({ stream, through: first.to, epoch });
    }
    for (const sequences of chunksOf(rest)) {
      await this.#client.deleteMessages({ stream, sequences, epoch });
    }
  }

  /** Sequences that the export does not have: those that the stream does not have either are filled. */
  async #pass({ from, to }: Range): Promise<void> {
    if (from > to) {
      return;
    }
    this.#ranges.push({ from, to });
    if (from <= this.there && this.there <= to) {
      this.#check(this.#last === undefined || isDeepStrictEqual(this.#last.headers, PLACEHOLDER.headers));
    }
    for (let last = Math.max(from - 1, this.there); last < to;) {
      const count = Math.min(MOST, to - last);
      await this.#fill(last, count);
      last += count;
      if (from === 1 && last % FIRST_HOLE === 0) {
        await this.#pipeline.settled();
        this.#pipeline.throwIfFailed();
        await this.#client.deleteMessages({ stream: this.#stream, through: last });
      }
    }
  }

  async #fill(lastSequence: number, count: number): Promise<void> {
    const messages = Array.from({ length: count }, () => PLACEHOLDER);
    await this.#room();
    const batch = this.#client.publishBatch({ stream: this.#stream, messages, expect: { lastSequence } });
    this.#pipeline.add(batch, { count, size: count * 64 });
    this.holes += count;
  }

  async #publish({ sequence, data, subject, headers, id }: Message): Promise<void> {
    const message = given({ data, subject, headers, id: this.#withIds ? id : undefined });
    await this.#room();
    const expect = { lastSequence: sequence - 1 };
    const stored = this.#client.publish({ stream: this.#stream, ...message, expect }).then((answer) => {
      if (answer.sequence !== sequence) {
        throw refused(
          "Conflict",
          `message ${sequence} was taken for ${answer.sequence}, which has the same id: use --no-ids, on an empty stream`,
        );
      }
      return answer;
    });
    this.#pipeline.add(stored, { count: 1, size: JSON.stringify(data).length });
  }

  async #room(): Promise<void> {
    if (this.#pipeline.isFull) {
      await this.#pipeline.room();
    }
    this.#pipeline.throwIfFailed();
  }

  #check(isSameAsThere: boolean): void {
    if (!isSameAsThere) {
      throw refused(
        "Conflict",
        `the stream has ${this.there} messages that are not those of the export: import into an empty stream`,
      );
    }
    this.#isChecked = true;
  }
}

/** Whether a message of the export is one that the stream has; its time is that of the import. */
function isSame(message: Message, there: Message | undefined, withIds: boolean): boolean {
  const contentOf = ({ data, subject, headers, id }: Message) =>
    given({ data, subject, headers, id: withIds ? id : undefined });
  return there !== undefined && isDeepStrictEqual(contentOf(message), contentOf(there));
}

/** The sequences of ranges, in lists that one deletion takes. */
function* chunksOf(ranges: readonly Range[]): Generator<number[], void, void> {
  let chunk: number[] = [];
  for (const { from, to } of ranges) {
    for (let sequence = from; sequence <= to; sequence += 1) {
      chunk.push(sequence);
      if (chunk.length === MOST) {
        yield chunk;
        chunk = [];
      }
    }
  }
  if (chunk.length > 0) {
    yield chunk;
  }
}
