import { DurableStreamError } from "../../../rpc/client.ts";
import type { DurableStream, StreamEvent, Subscription } from "../../../rpc/client.ts";

import { errorOf } from "./page-reader.ts";
import { gapRow, messageRow } from "./rows.ts";
import type { EpochRow, Row } from "./rows.ts";

/** Messages on their way here and not acked, at most. */
const IN_FLIGHT = 1_000;

/** Rows that are gathered, at most, before they are given away. */
const MOST_GATHERED = 256;

type Listener = {
  /** Rows are there to {@link LiveFeed.take}; they are many, when they have to be taken now. */
  readonly came: (areMany: boolean) => void;
  /** It has ended by itself. What came before was taken. */
  readonly ended: (error: Error) => void;
};

/** What a stream gets from now on, as rows. It ends with the epoch of the stream, and makes none. */
export class LiveFeed {
  readonly #client: DurableStream;
  readonly #of: { readonly stream: string; readonly filter?: string };
  readonly #listener: Listener;
  #subscription: Subscription | undefined;
  #gathered: Row[] = [];
  #received = 0;

  constructor(client: DurableStream, of: { stream: string; filter?: string }, listener: Listener) {
    this.#client = client;
    this.#of = of;
    this.#listener = listener;
  }

  get isOpen(): boolean {
    return this.#subscription !== undefined;
  }

  /** Messages that have come, since the feed was made. */
  get received(): number {
    return this.#received;
  }

  /** Follows the stream from a sequence on; leaves where it was before. */
  start({ sequence, epoch }: { sequence: number; epoch: string }): void {
    this.stop();
    const subscription: Subscription = this.#client.subscribe(
      { ...this.#of, from: { sequence }, epoch, maxInFlight: IN_FLIGHT },
      (event) => this.#receive(event, epoch),
      { endsWithEpoch: true },
    );
    this.#subscription = subscription;
    subscription.ended.catch((error: unknown) => {
      if (this.#subscription === subscription) {
        this.#listener.came(true);
        this.#subscription = undefined;
        this.#listener.ended(errorOf(error));
      }
    });
  }

  stop(): void {
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#gathered = [];
  }

  /** What has come and was not taken. */
  take(): readonly Row[] {
    const rows = this.#gathered;
    this.#gathered = [];
    return rows;
  }

  #receive(event: StreamEvent, epoch: string): void {
    if (event.type === "message") {
      this.#received += 1;
      this.#gathered.push(messageRow(epoch, event));
    } else if (event.type === "gap") {
      this.#gathered.push(gapRow(epoch, event.from, event.to));
    }
    this.#listener.came(this.#gathered.length >= MOST_GATHERED);
  }
}

/** Why the stream has another epoch now, when an error says that it has. */
export function newEpochOf(error: Error): EpochRow["reason"] | undefined {
  if (!(error instanceof DurableStreamError)) {
    return undefined;
  }
  if (error.name === "Conflict") {
    // The log ends before the position.
    return "restored";
  }
  const { name, data } = error;
  return name === "EpochChanged" ? (data.reason === "restored" ? "restored" : "deleted") : undefined;
}
