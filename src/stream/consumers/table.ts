import type { ConsumerConfig } from "../../../rpc/index.ts";

import { Consumer } from "./consumer.ts";
import type { ConsumerRow, ConsumerSubscriptionRow } from "../schema.ts";
import type { StoredCursor } from "./cursor/stored.ts";
import { Subscriber } from "./subscriber.ts";

/** The tables `consumers` and `consumer_subscriptions`. Mutators run within the caller's transaction. */
export class Consumers {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Every consumer with its subscriptions. */
  load(): Consumer[] {
    const subscriptions = this.#sql
      .exec<ConsumerSubscriptionRow>("SELECT holder, consumer, gateway, max_in_flight FROM consumer_subscriptions")
      .toArray();
    return this.#sql
      .exec<ConsumerRow>("SELECT id, name, config, cursor FROM consumers ORDER BY name")
      .toArray()
      .map((row) => {
        // Written by insert() and save().
        const [config, cursor]: [ConsumerConfig, StoredCursor] = [JSON.parse(row.config), JSON.parse(row.cursor)];
        const consumer = Consumer.restore({ id: row.id, name: row.name, config }, cursor);
        for (const { holder, gateway, max_in_flight } of subscriptions.filter(({ consumer: id }) => id === row.id)) {
          consumer.subscribers.set(holder, new Subscriber(holder, gateway, max_in_flight));
        }
        return consumer;
      });
  }

  insert(consumer: Consumer): void {
    this.#sql.exec(
      "INSERT INTO consumers (id, name, config, cursor) VALUES (?, ?, ?, ?)",
      consumer.id,
      consumer.name,
      JSON.stringify(consumer.config),
      JSON.stringify(consumer.cursor.toStored()),
    );
    consumer.saved();
  }

  /** Writes the config; a change of it is one of the cursor too, which {@link save} writes. */
  saveConfig({ id, config }: Consumer): void {
    this.#sql.exec("UPDATE consumers SET config = ? WHERE id = ?", JSON.stringify(config), id);
  }

  /** Writes the cursor, if a restart must not forget what changed since it was written. */
  save(consumer: Consumer): void {
    if (consumer.isChanged) {
      this.#sql.exec(
        "UPDATE consumers SET cursor = ? WHERE id = ?",
        JSON.stringify(consumer.cursor.toStored()),
        consumer.id,
      );
      consumer.saved();
    }
  }

  delete(consumer: Consumer): void {
    this.#sql.exec("DELETE FROM consumers WHERE id = ?", consumer.id);
    this.#sql.exec("DELETE FROM consumer_subscriptions WHERE consumer = ?", consumer.id);
  }

  addSubscription(consumer: Consumer, { holder, gateway, maxInFlight }: Subscriber): void {
    this.#sql.exec(
      "INSERT INTO consumer_subscriptions (holder, consumer, gateway, max_in_flight) VALUES (?, ?, ?, ?)",
      holder,
      consumer.id,
      gateway,
      maxInFlight,
    );
  }

  deleteSubscription(holder: string): void {
    this.#sql.exec("DELETE FROM consumer_subscriptions WHERE holder = ?", holder);
  }
}
