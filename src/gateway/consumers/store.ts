import type { ConsumerSubscriptionSpec } from "./subscription.ts";
import type { ConsumerSubscriptionRow } from "../schema.ts";

/** A subscription as it is stored, which is once its stream has answered. */
export type KeptSubscription = Omit<ConsumerSubscriptionSpec, "name"> & { epoch: string };

type KeptRow = Omit<ConsumerSubscriptionRow, "socket">;

/** The table `consumer_subscriptions`. */
export class ConsumerSubscriptionStore {
  readonly #sql: SqlStorage;

  /** @param sql Its tables are made. */
  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(socket: string, { id, stream, epoch, holder }: KeptSubscription): void {
    this.#sql.exec(
      "INSERT INTO consumer_subscriptions (socket, subscription, stream, epoch, holder) VALUES (?, ?, ?, ?, ?)",
      socket,
      id,
      stream,
      epoch,
      holder,
    );
  }

  /** Every subscription of a socket. */
  of(socket: string): KeptSubscription[] {
    return this.#sql
      .exec<KeptRow>("SELECT subscription, stream, epoch, holder FROM consumer_subscriptions WHERE socket = ?", socket)
      .toArray()
      .map(kept);
  }

  remove(socket: string, subscription: number): void {
    this.#sql.exec("DELETE FROM consumer_subscriptions WHERE socket = ? AND subscription = ?", socket, subscription);
  }

  removeSocket(socket: string): void {
    this.#sql.exec("DELETE FROM consumer_subscriptions WHERE socket = ?", socket);
  }

  /** Deletes the subscriptions of all other sockets, which went down with the gateway, and returns them. */
  keepOnly(sockets: readonly string[]): KeptSubscription[] {
    return this.#sql
      .exec<KeptRow>(
        `DELETE FROM consumer_subscriptions WHERE socket NOT IN (SELECT value FROM json_each(?))
         RETURNING subscription, stream, epoch, holder`,
        JSON.stringify(sockets),
      )
      .toArray()
      .map(kept);
  }
}

function kept({ subscription, ...row }: KeptRow): KeptSubscription {
  return { id: subscription, ...row };
}
