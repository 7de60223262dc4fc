import type { DurableStreamOptions } from "../../client.ts";

/** Most messages on their way, and most characters of them. */
const MOST = { messages: 16_384, characters: 8_388_608 };

/** What the server says of a publish, or of a batch: its last sequence, and how many messages it has. */
export type Stored = { readonly sequence: number; readonly count: number; readonly duplicate: boolean };

type Answer = { readonly duplicate: boolean } & ({ readonly sequence: number } | { readonly lastSequence: number });

/**
 * Publishes on their way, of which there may be so many. The first that fails is kept; with the client's strict order
 * nothing that was called after it is stored.
 */
export class Pipeline {
  /** Options of a client that holds what a pipeline has on its way, for as long as an outage of a minute or so. */
  static readonly QUEUE = {
    queue: { publishes: 2 * MOST.messages, bytes: 8 * MOST.characters },
    publishTimeoutMs: 120_000,
  } as const satisfies Pick<DurableStreamOptions, "queue" | "publishTimeoutMs">;

  /** Messages that are stored. */
  stored = 0;
  /** The highest sequence of them. */
  last: number | undefined;
  readonly #signal: AbortSignal;
  readonly #onStored: (stored: Stored) => Promise<void> | void;
  #messages = 0;
  #characters = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;

  /** @param onStored Called for each in the order of the calls. What it throws ends the pipeline. */
  constructor(signal: AbortSignal, onStored: (stored: Stored) => Promise<void> | void) {
    this.#signal = signal;
    this.#onStored = onStored;
  }

  get isFull(): boolean {
    return this.#messages >= MOST.messages || this.#characters >= MOST.characters;
  }

  /** Waits until half of it is free. @throws What one of them failed with; the reason of the signal. */
  async room(): Promise<void> {
    while (this.#messages > MOST.messages / 2 || this.#characters > MOST.characters / 2) {
      this.throwIfFailed();
      await this.#change();
    }
    this.throwIfFailed();
    this.#signal.throwIfAborted();
  }

  /** Takes a publish. @param size Its `count` of messages and their characters. */
  add(publish: Promise<Answer>, { count, size }: { count: number; size: number }): void {
    this.#messages += count;
    this.#characters += size;
    void this.#follow(publish, { count, size });
  }

  /** Waits until none is on its way. */
  async settled(): Promise<void> {
    while (this.#messages > 0) {
      await this.#change();
    }
  }

  /** @throws What the first that failed did so with. */
  throwIfFailed(): void {
    if (this.#failure !== undefined) {
      throw this.#failure.error;
    }
  }

  async #follow(publish: Promise<Answer>, { count, size }: { count: number; size: number }): Promise<void> {
    try {
      const answer = await publish;
      const sequence = "sequence" in answer ? answer.sequence : answer.lastSequence;
      this.stored += count;
      this.last = Math.max(this.last ?? 0, sequence);
      await this.#onStored({ sequence, count, duplicate: answer.duplicate });
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      this.#messages -= count;
      this.#characters -= size;
      this.#wake();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
