import type { StreamSubscriptionRow } from "../schema.ts";
import type { StreamSubscriptionSpec } from "./subscription.ts";

/** The table `subscriptions`. */
export class StreamSubscriptionStore {
  readonly #sql: SqlStorage;

  /** @param sql Its tables are made. */
  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(socket: string, spec: StreamSubscriptionSpec): void {
    this.#sql.exec(
      `INSERT INTO subscriptions
         (socket, subscription, stream, epoch, filter, max_in_flight, ack_wait_ms, max_deliver, rounds)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, '[]')`,
      socket,
      spec.id,
      spec.stream,
      spec.epoch,
      spec.filter ?? null,
      spec.maxInFlight,
      spec.ackWaitMs,
      spec.maxDeliver,
    );
  }

  /** Every subscription of a socket. */
  of(socket: string): StreamSubscriptionRow[] {
    return this.#sql
      .exec<StreamSubscriptionRow>(
        `SELECT socket, subscription, stream, epoch, filter, max_in_flight, ack_wait_ms, max_deliver, rounds
         FROM subscriptions WHERE socket = ?`,
        socket,
      )
      .toArray();
  }

  setRounds(socket: string, subscription: number, rounds: readonly number[]): void {
    this.#sql.exec(
      "UPDATE subscriptions SET rounds = ? WHERE socket = ? AND subscription = ?",
      JSON.stringify(rounds),
      socket,
      subscription,
    );
  }

  remove(socket: string, subscription: number): void {
    this.#sql.exec("DELETE FROM subscriptions WHERE socket = ? AND subscription = ?", socket, subscription);
  }

  removeSocket(socket: string): void {
    this.#sql.exec("DELETE FROM subscriptions WHERE socket = ?", socket);
  }

  /** Deletes the subscriptions of all other sockets: those went down with the gateway. */
  keepOnly(sockets: readonly string[]): void {
    this.#sql.exec(
      "DELETE FROM subscriptions WHERE socket NOT IN (SELECT value FROM json_each(?))",
      JSON.stringify(sockets),
    );
  }
}
