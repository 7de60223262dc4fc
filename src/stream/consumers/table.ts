import type { ConsumerConfig } from "../../../rpc/index.ts";
import { socketOf } from "../../internal/consumer-calls.ts";
import { RefusedError } from "../refuse.ts";
import type { ConsumerRow, ConsumerSubscriptionRow } from "../schema.ts";

import { Consumer } from "./consumer.ts";
import type { StoredCursor } from "./cursor/stored.ts";
import { UnsettledTotal } from "./cursor/unsettled-total.ts";
import { Subscriber } from "./delivery/subscriber.ts";
import type { SubscriberSpec } from "./delivery/subscriber.ts";

/**
 * The consumers of a stream and their subscriptions: the tables `consumers` and `consumer_subscriptions`, and what they
 * hold, in memory. Mutators run within the caller's transaction.
 */
export class Consumers {
  /** Of all of them. */
  readonly unsettled = new UnsettledTotal();
  readonly #sql: SqlStorage;
  /** By name, in the order of their turns. */
  readonly #byName = new Map<string, Consumer>();
  /** The consumer of each subscription. */
  readonly #byHolder = new Map<string, Consumer>();
  /** Sockets whose subscriptions get nothing until one of them is {@link heard}; see `socketOf`. */
  readonly fullSockets = new Set<string>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    for (const { id, name, config: configText, cursor: cursorText } of this.#rows()) {
      // Written by insert() and save().
      const [config, cursor]: [ConsumerConfig, StoredCursor] = [JSON.parse(configText), JSON.parse(cursorText)];
      this.#byName.set(name, Consumer.restore({ id, name, config }, cursor, this.unsettled));
    }
    const byId = new Map([...this.#byName.values()].map((consumer) => [consumer.id, consumer]));
    for (const { holder, consumer: id, gateway, max_in_flight } of this.#subscriptionRows()) {
      const consumer = byId.get(id);
      if (consumer !== undefined) {
        this.#keep(consumer, new Subscriber({ holder, gateway, maxInFlight: max_in_flight }, this.fullSockets));
      }
    }
  }

  get size(): number {
    return this.#byName.size;
  }

  /** In the order of their turns; a copy. */
  get all(): Consumer[] {
    return [...this.#byName.values()];
  }

  /** The same; those with the fewest unsettled first while all have nearly as many as they may together. */
  get inTurn(): Consumer[] {
    return this.unsettled.isCrowded ? this.all.toSorted((a, b) => unsettledOf(a) - unsettledOf(b)) : this.all;
  }

  /** The gateways of all subscriptions. */
  get gateways(): Set<string> {
    return new Set(this.all.flatMap(({ subscribers }) => [...subscribers.values()].map(({ gateway }) => gateway)));
  }

  get(name: string): Consumer | undefined {
    return this.#byName.get(name);
  }

  /** The same, or NotFound. */
  find(name: string): Consumer {
    const consumer = this.#byName.get(name);
    if (consumer === undefined) {
      throw new RefusedError("NotFound", "no such consumer", { what: "consumer" });
    }
    return consumer;
  }

  /** The consumer of a subscription. */
  ofHolder(holder: string): Consumer | undefined {
    return this.#byHolder.get(holder);
  }

  /** Something came of a subscription: its socket gets messages again. */
  heard(holder: string): void {
    this.fullSockets.delete(socketOf(holder));
  }

  /** Gives all other consumers their turn before this one. */
  moveToBack(consumer: Consumer): void {
    this.#byName.delete(consumer.name);
    this.#byName.set(consumer.name, consumer);
  }

  insert(consumer: Consumer): void {
    const cursor = consumer.cursor.toStored();
    this.#sql.exec(
      "INSERT INTO consumers (id, name, config, cursor) VALUES (?, ?, ?, ?)",
      consumer.id,
      consumer.name,
      JSON.stringify(consumer.config),
      JSON.stringify(cursor),
    );
    consumer.saved(cursor);
    this.#byName.set(consumer.name, consumer);
  }

  /** Writes the config. {@link save} writes the cursor, which a new config changes too. */
  saveConfig({ id, config }: Consumer): void {
    this.#sql.exec("UPDATE consumers SET config = ? WHERE id = ?", JSON.stringify(config), id);
  }

  /** Writes the cursors that changed in a way that a restart must not forget. */
  save(): void {
    for (const consumer of this.#byName.values()) {
      if (consumer.isChanged) {
        const cursor = consumer.cursor.toStored();
        this.#sql.exec("UPDATE consumers SET cursor = ? WHERE id = ?", JSON.stringify(cursor), consumer.id);
        consumer.saved(cursor);
      }
    }
  }

  /** Deletes a consumer and its subscriptions; the consumer itself still lists them. */
  delete(consumer: Consumer): void {
    this.#sql.exec("DELETE FROM consumers WHERE id = ?", consumer.id);
    this.#sql.exec("DELETE FROM consumer_subscriptions WHERE consumer = ?", consumer.id);
    this.#byName.delete(consumer.name);
    this.unsettled.size -= unsettledOf(consumer);
    for (const holder of consumer.subscribers.keys()) {
      this.#byHolder.delete(holder);
    }
  }

  addSubscription(consumer: Consumer, { holder, gateway, maxInFlight }: SubscriberSpec): void {
    this.#sql.exec(
      "INSERT INTO consumer_subscriptions (holder, consumer, gateway, max_in_flight) VALUES (?, ?, ?, ?)",
      holder,
      consumer.id,
      gateway,
      maxInFlight,
    );
    this.#keep(consumer, new Subscriber({ holder, gateway, maxInFlight }, this.fullSockets));
  }

  deleteSubscription(holder: string): void {
    this.#sql.exec("DELETE FROM consumer_subscriptions WHERE holder = ?", holder);
    this.#byHolder.get(holder)?.subscribers.delete(holder);
    this.#byHolder.delete(holder);
  }

  #rows(): ConsumerRow[] {
    return this.#sql.exec<ConsumerRow>("SELECT id, name, config, cursor FROM consumers ORDER BY name").toArray();
  }

  #subscriptionRows(): ConsumerSubscriptionRow[] {
    return this.#sql
      .exec<ConsumerSubscriptionRow>("SELECT holder, consumer, gateway, max_in_flight FROM consumer_subscriptions")
      .toArray();
  }

  #keep(consumer: Consumer, subscriber: Subscriber): void {
    consumer.subscribers.set(subscriber.holder, subscriber);
    this.#byHolder.set(subscriber.holder, consumer);
  }
}

function unsettledOf({ cursor }: Consumer): number {
  const { inFlight, waiting } = cursor.info();
  return inFlight + waiting;
}
