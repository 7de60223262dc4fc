import { setTimeout as delay } from "node:timers/promises";

import { ErrorCode } from "../../../rpc/index.ts";
import { Client } from "../server/client.ts";
import type { Target } from "../server/client.ts";

const STREAM = "honest";
/** Few enough messages that the server is mostly idle: it is not the honest ones that hold each other up. */
const PAUSE_MS = 50;
const FIRST_MS = 1_000;

/** What became of an honest client's messages. */
export type HonestReport = {
  readonly acked: number;
  readonly missing: number;
  /** Publishes that were Busy. */
  readonly refused: number;
  /** How long messages took since the others began. */
  readonly p99Ms: number;
  /** How long those took that were published in the first second, in which the others begin. */
  readonly firstP99Ms: number;
};

/** A client that publishes, follows, reads and acks, beside those that do not: how long each message takes it. */
export class HonestClient {
  readonly #client: Client;
  /** When each message was published, and how long it took. */
  readonly #delays: { readonly publishedAt: number; readonly delayMs: number }[] = [];
  readonly #acked = new Set<number>();
  readonly #followed = new Set<number>();
  #refused = 0;
  #isOver = false;
  #running: Promise<void> | undefined;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async start(target: Target): Promise<HonestClient> {
    const client = await Client.connect(target);
    const honest = new HonestClient(client);
    client.onNotification = (notification) => {
      if (notification.method === "messages") {
        honest.#take(notification.params);
      }
    };
    await client.call("subscribe", { stream: STREAM, from: "new" });
    honest.#running = honest.#publish();
    return honest;
  }

  /**
   * Stops publishing, and tells what was acknowledged and is not in the stream, or was not followed.
   *
   * @param beganAt When the others began, by `performance.now()`.
   */
  async stop(beganAt: number): Promise<HonestReport> {
    this.#isOver = true;
    await this.#running;
    const last = Math.max(...this.#acked);
    await this.#client.until(() => this.#followed.has(last) || undefined, "the last message");
    const stored = await this.#stored();
    const missing = [...this.#acked].filter(
      (sequence) => !stored.has(sequence) || !this.#followed.has(sequence),
    ).length;
    this.#client.terminate();
    return {
      acked: this.#acked.size,
      missing,
      refused: this.#refused,
      p99Ms: this.#p99Ms(beganAt, Infinity),
      firstP99Ms: this.#p99Ms(beganAt, beganAt + FIRST_MS),
    };
  }

  #p99Ms(from: number, end: number): number {
    const within = this.#delays.filter(({ publishedAt }) => publishedAt >= from && publishedAt < end);
    const sorted = within.map(({ delayMs }) => delayMs).toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
  }

  async #publish(): Promise<void> {
    while (!this.#isOver) {
      const response = await this.#client.request("publish", { stream: STREAM, data: performance.now() });
      if (response.error === undefined) {
        this.#acked.add((response.result as { sequence: number }).sequence);
      } else if (response.error.code === ErrorCode.Busy) {
        this.#refused += 1;
      } else {
        throw new Error(`a publish failed: ${JSON.stringify(response.error)}`);
      }
      await delay(PAUSE_MS);
    }
  }

  #take({
    subscription,
    messages,
  }: {
    subscription: number;
    messages: readonly { sequence: number; data: unknown }[];
  }) {
    for (const { sequence, data } of messages) {
      this.#followed.add(sequence);
      const publishedAt = Number(data);
      this.#delays.push({ publishedAt, delayMs: performance.now() - publishedAt });
    }
    this.#client.notify("ack", { subscription, through: messages.at(-1)?.sequence ?? 0 });
  }

  async #stored(): Promise<Set<number>> {
    const sequences = new Set<number>();
    let from = Math.min(...this.#acked);
    for (;;) {
      const page = await this.#client.call("getMessages", { stream: STREAM, from: { sequence: from } });
      page.messages.forEach(({ sequence }) => sequences.add(sequence));
      from = page.nextSequence;
      if (page.nextSequence > page.lastSequence) {
        return sequences;
      }
    }
  }
}
