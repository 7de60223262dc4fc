import { DurableStreamError } from "../../../../rpc/client.ts";
import type { CallOptions, DurableStream } from "../../../../rpc/client.ts";
import type { ConsumerInfo } from "../../../../rpc/index.ts";
import { formatDuration, formatNumber } from "../../parts/format.ts";

/** How far a consumer is behind its stream. */
export type Lag = {
  /** Matching messages that are not acked, in flight or not. */
  readonly messages: number;
  /**
   * How long ago the first of them was published, in milliseconds by this machine's clock; 0 without one. Undefined when it
   * was not found in one page of the stream.
   */
  readonly ms: number | undefined;
};

/** What is known of a consumer at one time. */
export type Sample = {
  readonly at: number;
  readonly info: ConsumerInfo;
  readonly lag: Lag | undefined;
};

export function lagMessages({ pending, inFlight }: ConsumerInfo): number {
  return pending + inFlight;
}

/** A count that may still grow, as the contract marks it. */
export function countText(value: number, isEstimate: true | undefined): string {
  return `${isEstimate === true ? "≥ " : ""}${formatNumber(value)}`;
}

/** A lag in time as text; a dash when it is not known. */
export function lagTime(lag: Lag | undefined): string {
  if (lag?.ms === undefined) {
    return "–";
  }
  return lag.messages === 0 ? "none" : formatDuration(lag.ms);
}

/**
 * Finds how long the first message that a consumer has not acked is in the stream: one read of one message, and none while
 * the consumer stands where it stood at the last call.
 */
export class LagReader {
  readonly #stream: string;
  #known: { at: string; publishedAt: number | undefined } | undefined;

  constructor(stream: string) {
    this.#stream = stream;
  }

  async read(client: DurableStream, info: ConsumerInfo, options: CallOptions): Promise<Lag> {
    const messages = lagMessages(info);
    if (messages === 0) {
      return { messages, ms: 0 };
    }
    const { epoch, ackFloor, config } = info;
    const at = JSON.stringify([epoch, ackFloor, config.filter]);
    if (this.#known?.at !== at) {
      const filter = config.filter === undefined ? {} : { filter: config.filter };
      const from = { sequence: ackFloor + 1 };
      const page = await client.getMessages({ stream: this.#stream, epoch, from, ...filter, limit: 1 }, options);
      this.#known = { at, publishedAt: page.messages[0]?.publishedAt };
    }
    const { publishedAt } = this.#known;
    return { messages, ms: publishedAt === undefined ? undefined : Math.max(0, Date.now() - publishedAt) };
  }
}

/** Undefined where the messages can not be read: by who may only consume, or in a stream that is another by now. */
export async function lagOrNone(reading: Promise<Lag>): Promise<Lag | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof DurableStreamError) {
      return undefined;
    }
    throw error;
  }
}
