import { logError } from "../../../platform/log.ts";

import type { Consumer } from "../consumer.ts";

import type { AddressedBatch } from "./dispatcher.ts";
import type { Subscriber } from "./subscriber.ts";

/** Most text of one call, unless a single batch is larger: far below the 32 MiB limit of an RPC. */
const CALL_BYTES = 4_194_304;

type Stub = ReturnType<Env["GATEWAY"]["getByName"]>;

type StreamIdentity = { readonly name: string; readonly epoch: string };

/** What a pusher uses of its Durable Object. */
type PusherHost = {
  readonly ctx: DurableObjectState;
  readonly namespace: Env["GATEWAY"];
  readonly stream: StreamIdentity;
};

/** What became of one call to a gateway. */
export type PushOutcome = {
  readonly batches: readonly AddressedBatch[];
  /** Holders that the gateway has no subscription for: nothing was sent to them. */
  readonly unknown: ReadonlySet<string>;
  /** Batches that were not sent, because the socket of their holder is full. */
  readonly full: ReadonlySet<AddressedBatch>;
  /** The call failed: the gateway may have received it or not. */
  readonly isUnsure: boolean;
};

/**
 * Pushes consumers' messages to the gateways of their subscriptions, and reports the outcome of each call. The
 * runtime's output gate holds a call back until the commit that delivered its messages is on disk.
 */
export class DeliveryPusher {
  readonly #ctx: DurableObjectState;
  readonly #namespace: Env["GATEWAY"];
  readonly #stream: StreamIdentity;
  readonly #onCompleted: (outcome: PushOutcome) => void;
  readonly #stubs = new Map<string, Stub>();
  /** Batches in calls that have not completed, by holder. */
  readonly #underway = new Map<string, Set<AddressedBatch>>();
  /** Holders that were lost while a batch was under way to them. */
  readonly #lost = new Set<string>();

  constructor({ ctx, namespace, stream }: PusherHost, onCompleted: (outcome: PushOutcome) => void) {
    this.#ctx = ctx;
    this.#namespace = namespace;
    this.#stream = stream;
    this.#onCompleted = onCompleted;
  }

  /** Sends batches in order: one call for each gateway, or more when the text is too much for one. */
  send(batches: readonly AddressedBatch[]): void {
    for (const [gateway, addressed] of Map.groupBy(batches, (one) => one.gateway)) {
      let call: AddressedBatch[] = [];
      let bytes = 0;
      for (const one of addressed) {
        const size = one.batch.text.length;
        if (bytes > 0 && bytes + size > CALL_BYTES) {
          this.#ctx.waitUntil(this.#deliver(gateway, call));
          call = [];
          bytes = 0;
        }
        call.push(one);
        bytes += size;
      }
      this.#ctx.waitUntil(this.#deliver(gateway, call));
    }
  }

  /** The sequences under way to a holder: whether they reach it is not known yet. */
  underway(holder: string): ReadonlySet<number> {
    return new Set([...(this.#underway.get(holder) ?? [])].flatMap(({ sequences }) => sequences));
  }

  /** A holder was released. Whether it was lost is remembered until every push under way to it has completed. */
  released({ holder, isLost }: { holder: string; isLost: boolean }): void {
    if (isLost && this.#underway.has(holder)) {
      this.#lost.add(holder);
    }
  }

  /** Whether a released holder was lost; to be asked when a push to it completes. */
  wasLost(holder: string): boolean {
    return this.#lost.has(holder);
  }

  /**
   * Asks the gateways whether they still have the subscriptions with messages in flight. A gateway may have restarted
   * and lost its sockets while the stream was not loaded. Such messages are redelivered without counting a failed
   * delivery; an ack deadline would count one.
   */
  check(consumers: Iterable<Consumer>): void {
    const asked = [...consumers].flatMap(({ name: consumer, cursor, subscribers }) =>
      [...subscribers.values()]
        .filter(({ holder }) => cursor.inFlightOf(holder) > 0)
        .map(({ holder, gateway }) => ({ gateway, consumer, sequences: [], batch: { holder, last: 0, text: "" } })),
    );
    for (const [gateway, addressed] of Map.groupBy(asked, (one) => one.gateway)) {
      this.#ctx.waitUntil(this.#ask(gateway, addressed));
    }
  }

  /** Tells the gateways of subscriptions that their consumer is deleted. */
  end(subscribers: readonly Subscriber[]): void {
    for (const [gateway, ended] of Map.groupBy(subscribers, (one) => one.gateway)) {
      const holders = ended.map(({ holder }) => holder);
      this.#ctx.waitUntil(this.#tellEnd(gateway, holders));
    }
  }

  /** A gateway that misses this finds out when its client acks. */
  async #tellEnd(gateway: string, holders: string[]): Promise<void> {
    try {
      await this.#namespace.getByName(gateway).consumerDeleted(holders);
    } catch (error) {
      logError("a gateway could not be told that a consumer is deleted", error, { stream: this.#stream.name, gateway });
    }
  }

  async #deliver(gateway: string, addressed: readonly AddressedBatch[]): Promise<void> {
    const { name: stream, epoch } = this.#stream;
    let outcome: PushOutcome;
    addressed.forEach((one) => this.#addUnderway(one));
    try {
      const batches = addressed.map(({ batch }) => batch);
      const reply = await this.#stub(gateway).deliverConsumer({ stream, epoch, batches, takesFull: true });
      const { unknown, full: indices } = Array.isArray(reply) ? { unknown: reply, full: [] as number[] } : reply;
      const full = new Set(addressed.filter((_one, index) => indices.includes(index)));
      outcome = { batches: addressed, unknown: new Set(unknown), full, isUnsure: false };
    } catch (error) {
      logError("messages of a consumer did not reach their gateway", error, { stream, gateway });
      // A stub stays broken after an error.
      this.#stubs.delete(gateway);
      outcome = { batches: addressed, unknown: new Set(), full: new Set(), isUnsure: true };
    }
    addressed.forEach((one) => this.#removeUnderway(one));
    this.#onCompleted(outcome);
    const completed = addressed.filter(({ batch: { holder } }) => !this.#underway.has(holder));
    completed.forEach(({ batch: { holder } }) => this.#lost.delete(holder));
  }

  async #ask(gateway: string, addressed: readonly AddressedBatch[]): Promise<void> {
    try {
      const holders = addressed.map(({ batch }) => batch.holder);
      const unknown = new Set(await this.#namespace.getByName(gateway).unknownHolders(holders));
      this.#onCompleted({ batches: addressed, unknown, full: new Set(), isUnsure: false });
    } catch (error) {
      logError("a gateway could not be asked for its subscriptions", error, { stream: this.#stream.name, gateway });
    }
  }

  #addUnderway(addressed: AddressedBatch): void {
    const { holder } = addressed.batch;
    const underway = this.#underway.get(holder) ?? new Set();
    this.#underway.set(holder, underway.add(addressed));
  }

  #removeUnderway(addressed: AddressedBatch): void {
    const { holder } = addressed.batch;
    const underway = this.#underway.get(holder);
    underway?.delete(addressed);
    if (underway?.size === 0) {
      this.#underway.delete(holder);
    }
  }

  #stub(gateway: string): Stub {
    let stub = this.#stubs.get(gateway);
    if (stub === undefined) {
      stub = this.#namespace.getByName(gateway);
      this.#stubs.set(gateway, stub);
    }
    return stub;
  }
}
