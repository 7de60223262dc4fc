import { setTimeout as delay } from "node:timers/promises";

import { DurableStream } from "../../rpc/client.ts";
import type { StreamEvent, Subscription } from "../../rpc/client.ts";
import type { From, Message } from "../../rpc/index.ts";

import { Milestones } from "./milestones.ts";

export type FollowerOptions = {
  name: string;
  stream: string;
  maxInFlight: number;
  /** How long it takes to handle what has come together, in milliseconds. */
  handleMs: number;
};

/** Follows a stream by a client of its own, and handles what comes. */
export class Follower {
  readonly #client: DurableStream;
  readonly #options: FollowerOptions;
  #socket: WebSocket | undefined;
  /** All that came, over all its sockets. */
  readonly messages: Message[] = [];
  /** The last sequence that came. */
  readonly received = new Milestones();
  /** Everything up to this count's sequence is done. */
  readonly handled = new Milestones();
  /** The first sequence it could get. */
  begins = 0;
  /** What should not happen here: gaps, another epoch, and an end of the subscription. */
  readonly surprises: string[] = [];

  constructor({ url, apiKey }: { url: string; apiKey: string }, options: FollowerOptions) {
    this.#options = options;
    const opened = (socket: WebSocket) => (this.#socket = socket);
    // A WebSocket as any other, which can be broken here.
    const Breakable = class extends WebSocket {
      constructor(address: string | URL, protocols?: string | string[]) {
        super(address, protocols);
        opened(this);
      }
    };
    const reconnect = { leastMs: 10, mostMs: 100 };
    this.#client = new DurableStream({ url, token: apiKey, WebSocket: Breakable, reconnect });
  }

  get name(): string {
    return this.#options.name;
  }

  /** Begins to follow. */
  async follow(from: From): Promise<void> {
    const { stream, maxInFlight } = this.#options;
    const subscription = this.#client.subscribe({ stream, from, maxInFlight });
    void this.#read(subscription).catch((error: unknown) => this.surprises.push(String(error)));
    const { nextSequence } = await subscription.ready;
    this.begins = nextSequence;
  }

  /**
   * Loses its socket, as networks do: the client goes on with another after what is done.
   *
   * @returns The last sequence that had come.
   */
  breakConnection(): number {
    this.#socket?.close();
    return this.received.count;
  }

  /** Hears no more. */
  close(): Promise<void> {
    return this.#client.close();
  }

  /** One batch at a time: what comes meanwhile waits, and asking for the next one acks the one before. */
  async #read(subscription: Subscription): Promise<void> {
    for (;;) {
      const { done, value: events } = await subscription.nextBatch();
      if (done === true) {
        return;
      }
      this.#receive(events);
      if (this.#options.handleMs > 0) {
        await delay(this.#options.handleMs);
      }
      this.handled.reach(this.received.count);
    }
  }

  #receive(events: readonly StreamEvent[]): void {
    for (const event of events) {
      if (event.type === "message") {
        this.messages.push(event);
        this.received.reach(event.sequence);
      } else {
        this.surprises.push(JSON.stringify(event));
      }
    }
  }
}
