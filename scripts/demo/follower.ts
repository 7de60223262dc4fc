import { setTimeout as delay } from "node:timers/promises";

import type { From, Message } from "../../rpc/index.ts";

import { Client } from "./client.ts";
import type { Notification, Server } from "./client.ts";
import { Milestones } from "./milestones.ts";

export type FollowerOptions = {
  name: string;
  stream: string;
  maxInFlight: number;
  /** How long it takes to handle what has come since the last ack, in milliseconds. */
  handleMs: number;
};

/** Follows a stream on a socket of its own, handles what comes, and acks what it has handled. */
export class Follower {
  readonly #server: Server;
  readonly #options: FollowerOptions;
  #client: Client | undefined;
  #epoch: string | undefined;
  #isHandling = false;
  /** All that came, over all its sockets. */
  readonly messages: Message[] = [];
  readonly received = new Milestones();
  /** Everything up to this count's sequence is done. */
  readonly handled = new Milestones();
  /** The first sequence it could get. */
  begins = 0;
  /** What should not happen here: gaps, and an end of the subscription. */
  readonly surprises: string[] = [];

  constructor(server: Server, options: FollowerOptions) {
    this.#server = server;
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  /** Begins to follow. */
  async follow(from: From | undefined): Promise<void> {
    const { stream, maxInFlight } = this.#options;
    const client = await new Client(this.#server).whenOpen();
    client.onNotification = (notification) => this.#receive(client, notification);
    this.#client = client;
    const params = { stream, maxInFlight, ...(from === undefined ? {} : { from }) };
    // The epoch makes sure that it is still the same stream.
    const { epoch, nextSequence } = await client.call(
      "subscribe",
      this.#epoch === undefined ? params : { ...params, epoch: this.#epoch },
    );
    this.#epoch = epoch;
    this.begins ||= nextSequence;
  }

  /** Loses its socket, as networks do, and goes on with a new one after the last message that came. */
  async reconnect(): Promise<number> {
    const last = this.received.count;
    this.close();
    await this.follow({ sequence: last + 1 });
    return last;
  }

  /** Hears no more. */
  close(): void {
    if (this.#client !== undefined) {
      this.#client.onNotification = () => undefined;
      this.#client.close();
    }
  }

  #receive(client: Client, notification: Notification): void {
    if (notification.method !== "messages") {
      this.surprises.push(`${notification.method} ${JSON.stringify(notification.params)}`);
      return;
    }
    const { subscription, messages } = notification.params;
    this.messages.push(...messages);
    this.received.reach(messages.at(-1)?.sequence ?? 0);
    void this.#handle(client, subscription);
  }

  /** One thing at a time: what comes meanwhile is handled next, and acked together. */
  async #handle(client: Client, subscription: number): Promise<void> {
    if (this.#isHandling) {
      return;
    }
    this.#isHandling = true;
    while (this.handled.count < this.received.count) {
      const through = this.received.count;
      if (this.#options.handleMs > 0) {
        await delay(this.#options.handleMs);
      }
      client.notify("ack", { subscription, through });
      this.handled.reach(through);
    }
    this.#isHandling = false;
  }
}
