import { logError } from "../../platform/log.ts";

import type { Consumer } from "./consumer.ts";
import type { AddressedBatch } from "./dispatcher.ts";
import type { Subscriber } from "./subscriber.ts";

/** Text of one call, at most but for a single batch: far below the 32 MiB that an RPC may carry. */
const CALL_BYTES = 4_194_304;

type Stub = ReturnType<Env["GATEWAY"]["getByName"]>;

/** What became of one call to a gateway. */
export type PushOutcome = {
  readonly batches: readonly AddressedBatch[];
  /** Holders that are no subscription of the gateway, so that nothing of this was sent to them. */
  readonly unknown: readonly string[];
  /** Whether the call failed: it may have reached the gateway or not. */
  readonly isUnsure: boolean;
};

/**
 * Brings consumers' messages to the gateways of their subscriptions. A call leaves when the commit that handed its
 * messages out is on disk: the runtime's output gate holds it.
 */
export class DeliveryPusher {
  readonly #ctx: DurableObjectState;
  readonly #namespace: Env["GATEWAY"];
  readonly #identity: { name: string; epoch: string };
  readonly #onLanded: (outcome: PushOutcome) => void;
  readonly #stubs = new Map<string, Stub>();
  /** Parcels that left and did not land yet, by holder. */
  readonly #underway = new Map<string, Set<AddressedBatch>>();
  /** Holders that were lost while something was underway to them. */
  readonly #lost = new Set<string>();

  constructor(
    host: { ctx: DurableObjectState; namespace: Env["GATEWAY"]; onPushCompleted: (outcome: PushOutcome) => void },
    identity: { name: string; epoch: string },
  ) {
    this.#ctx = host.ctx;
    this.#namespace = host.namespace;
    this.#onLanded = host.onPushCompleted;
    this.#identity = identity;
  }

  /** Sends parcels in their order: one call for each gateway, unless they are too much for one. */
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

  /** The sequences on their way to a holder, of which nobody can tell yet whether they reach it. */
  underway(holder: string): ReadonlySet<number> {
    return new Set([...(this.#underway.get(holder) ?? [])].flatMap(({ sequences }) => sequences));
  }

  /** A holder is over: how it ended is kept until every push under way to it has completed. */
  released({ holder, isLost }: { holder: string; isLost: boolean }): void {
    if (isLost && this.#underway.has(holder)) {
      this.#lost.add(holder);
    }
  }

  /** Whether a holder that is over was lost, of a push that has just completed. */
  wasLost(holder: string): boolean {
    return this.#lost.has(holder);
  }

  /**
   * Asks the gateways whether they still know the subscriptions that have something in flight: a stream that wakes can not
   * tell which of them went down meanwhile, and its sockets with it. That is nobody's fault, an ack deadline would be.
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

  /** Tells the gateways of subscriptions that these are over. */
  end(subscribers: readonly Subscriber[]): void {
    for (const [gateway, ended] of Map.groupBy(subscribers, (one) => one.gateway)) {
      const holders = ended.map(({ holder }) => holder);
      this.#ctx.waitUntil(this.#tellEnd(gateway, holders));
    }
  }

  /** A gateway that can not be told finds out when its client acks. */
  async #tellEnd(gateway: string, holders: string[]): Promise<void> {
    try {
      await this.#namespace.getByName(gateway).consumerDeleted(holders);
    } catch (error) {
      logError("a gateway could not be told that a consumer is deleted", error, { stream: this.#identity.name });
    }
  }

  async #deliver(gateway: string, addressed: readonly AddressedBatch[]): Promise<void> {
    const { name: stream, epoch } = this.#identity;
    let outcome: PushOutcome;
    addressed.forEach((one) => this.#left(one));
    try {
      const batches = addressed.map(({ batch }) => batch);
      const unknown = await this.#stub(gateway).deliverConsumer({ stream, epoch, batches });
      outcome = { batches: addressed, unknown, isUnsure: false };
    } catch (error) {
      logError("messages of a consumer did not reach their gateway", error, { stream });
      // A stub stays broken after an error.
      this.#stubs.delete(gateway);
      outcome = { batches: addressed, unknown: [], isUnsure: true };
    }
    addressed.forEach((one) => this.#arrived(one));
    this.#onLanded(outcome);
    const completed = addressed.filter(({ batch: { holder } }) => !this.#underway.has(holder));
    completed.forEach(({ batch: { holder } }) => this.#lost.delete(holder));
  }

  async #ask(gateway: string, addressed: readonly AddressedBatch[]): Promise<void> {
    try {
      const holders = addressed.map(({ batch }) => batch.holder);
      const unknown = await this.#namespace.getByName(gateway).unknownHolders(holders);
      this.#onLanded({ batches: addressed, unknown, isUnsure: false });
    } catch (error) {
      logError("a gateway could not be asked for its subscriptions", error, { stream: this.#identity.name });
    }
  }

  #left(addressed: AddressedBatch): void {
    const { holder } = addressed.batch;
    const underway = this.#underway.get(holder) ?? new Set();
    this.#underway.set(holder, underway.add(addressed));
  }

  #arrived(addressed: AddressedBatch): void {
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
