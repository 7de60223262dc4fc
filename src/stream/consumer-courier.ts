import { logError } from "../log.ts";

import type { AddressedParcel } from "./hand-out.ts";

/** Text of one call, at most but for a single parcel: far below the 32 MiB that an RPC may carry. */
const CALL_BYTES = 4_194_304;

type Stub = ReturnType<Env["GATEWAY"]["getByName"]>;

/** What came back from a gateway. */
export type Returned = {
  /** Holders that are no subscription of the gateway. */
  unknown: readonly string[];
  /** Parcels that may not have reached it. */
  undelivered: readonly AddressedParcel[];
};

/**
 * Brings consumers' messages to the gateways of their subscriptions. A call leaves when the commit that handed its
 * messages out is on disk: the runtime's output gate holds it.
 */
export class ConsumerCourier {
  readonly #ctx: DurableObjectState;
  readonly #namespace: Env["GATEWAY"];
  readonly #identity: { name: string; epoch: string };
  readonly #onReturned: (returned: Returned) => void;
  readonly #stubs = new Map<string, Stub>();

  constructor(
    host: { ctx: DurableObjectState; namespace: Env["GATEWAY"]; onReturned: (returned: Returned) => void },
    identity: { name: string; epoch: string },
  ) {
    this.#ctx = host.ctx;
    this.#namespace = host.namespace;
    this.#onReturned = host.onReturned;
    this.#identity = identity;
  }

  /** Sends parcels in their order: one call for each gateway, unless they are too much for one. */
  send(parcels: readonly AddressedParcel[]): void {
    for (const [gateway, addressed] of Map.groupBy(parcels, (one) => one.gateway)) {
      let call: AddressedParcel[] = [];
      let bytes = 0;
      for (const one of addressed) {
        const size = one.parcel.text.length;
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

  /** Tells a gateway that subscriptions are over; one that can not be told finds out when its client acks. */
  async end(gateway: string, holders: readonly string[]): Promise<void> {
    try {
      await this.#namespace.getByName(gateway).consumerDeleted([...holders]);
    } catch (error) {
      logError("a gateway could not be told that a consumer is deleted", error, { stream: this.#identity.name });
    }
  }

  async #deliver(gateway: string, addressed: readonly AddressedParcel[]): Promise<void> {
    const { name: stream, epoch } = this.#identity;
    let returned: Returned;
    try {
      const parcels = addressed.map(({ parcel }) => parcel);
      const unknown = await this.#stub(gateway).deliverConsumer({ stream, epoch, parcels });
      returned = { unknown, undelivered: [] };
    } catch (error) {
      logError("messages of a consumer did not reach their gateway", error, { stream });
      // A stub stays broken after an error.
      this.#stubs.delete(gateway);
      returned = { unknown: [], undelivered: addressed };
    }
    if (returned.unknown.length > 0 || returned.undelivered.length > 0) {
      this.#onReturned(returned);
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
