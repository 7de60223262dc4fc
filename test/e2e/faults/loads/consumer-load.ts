/** Workers that share a consumer, come and go, and write down what they saw. */
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";

import { CallError, ConnectionLost } from "../../server/client.ts";
import type { Client } from "../../server/client.ts";
import type { ConsumerHistory, Delivery } from "../histories/consumer-history.ts";
import type { Uptime } from "./load.ts";

export type WorkHabit = {
  name: string;
  stream: string;
  consumer: string;
  maxInFlight: number;
  /** How long it works on the messages of one frame, at most. */
  workMs: number;
  /** The share of messages it forgets, and of those it gives back. */
  forgets: number;
  naks: number;
};

/** Works on a consumer's messages, on one socket after the other, until it is stopped. */
export class ConsumerWorker {
  readonly #habit: WorkHabit;
  readonly #uptime: Uptime;
  readonly #random: () => number;
  readonly #history: ConsumerHistory;
  #client: Client | undefined;
  #sockets = 0;
  #isStopped = false;
  /** What came on the open socket. */
  #held: Delivery[] = [];
  /** Errors that nothing in the load calls for. */
  readonly surprises: unknown[] = [];

  constructor(habit: WorkHabit, world: { uptime: Uptime; random: () => number; history: ConsumerHistory }) {
    this.#habit = habit;
    this.#uptime = world.uptime;
    this.#random = world.random;
    this.#history = world.history;
  }

  /** Drops its connection without a goodbye; it comes back on a new one. */
  kill(): void {
    this.#endHeld();
    this.#client?.terminate();
  }

  stop(): void {
    this.#isStopped = true;
    this.kill();
  }

  async run(): Promise<void> {
    while (!this.#isStopped) {
      const client = await this.#uptime.connect();
      if (this.#isStopped) {
        client.terminate();
        return;
      }
      this.#client = client;
      this.#sockets += 1;
      const session = `${this.#habit.name}#${this.#sockets}`;
      const held: Delivery[] = [];
      this.#held = held;
      client.onNotification = ({ method, params }) => {
        if (method === "messages") {
          const at = performance.now();
          const deliveries = params.messages.map(({ sequence, deliveryCount = 0 }) => ({
            session,
            sequence,
            deliveryCount,
            at,
          }));
          held.push(...deliveries);
          this.#history.deliveries.push(...deliveries);
          void this.#work(client, params.subscription, deliveries);
        } else {
          this.surprises.push({ method, params });
        }
      };
      try {
        const { stream, consumer, maxInFlight } = this.#habit;
        await client.call("subscribe", { stream, consumer, maxInFlight });
        await client.whenClosed;
      } catch (error) {
        this.#expectLost(error);
      }
      this.#endHeld();
    }
  }

  /** The server may hear of a socket's end at once: so it is written down before it can. */
  #endHeld(): void {
    const endedAt = performance.now();
    this.#held.forEach((delivery) => {
      delivery.endedAt ??= endedAt;
    });
  }

  async #work(client: Client, subscription: number, deliveries: readonly Delivery[]): Promise<void> {
    const { workMs, forgets, naks } = this.#habit;
    await delay(this.#random() * workMs);
    const fates = Map.groupBy(deliveries, () => {
      const fate = this.#random();
      return fate < forgets ? "forget" : fate < forgets + naks ? "nak" : "ack";
    });
    if (client.closed !== undefined) {
      return;
    }
    await Promise.all([
      this.#settle(client, subscription, "nak", fates.get("nak") ?? []),
      this.#settle(client, subscription, "ack", fates.get("ack") ?? []),
    ]);
  }

  async #settle(
    client: Client,
    subscription: number,
    method: "ack" | "nak",
    deliveries: readonly Delivery[],
  ): Promise<void> {
    if (deliveries.length === 0) {
      return;
    }
    const settledAt = performance.now();
    deliveries.forEach((delivery) => {
      delivery.settledAt = settledAt;
      delivery.settledBy = method;
    });
    try {
      const sequences = deliveries.map(({ sequence }) => sequence);
      await client.call(method, { subscription, sequences });
      if (method === "ack") {
        const confirmedAt = performance.now();
        deliveries.forEach((delivery) => {
          delivery.confirmedAt = confirmedAt;
        });
      }
    } catch (error) {
      // Nobody knows: it may come again, and then it is worked on again.
      this.#expectLost(error);
    }
  }

  #expectLost(error: unknown): void {
    const isUnknown = error instanceof CallError && (error.code === -32_008 || error.code === -32_009);
    if (!(error instanceof ConnectionLost) && !isUnknown) {
      this.surprises.push(error instanceof CallError ? { code: error.code, data: error.data } : error);
    }
  }
}
