import { LIMITS, RpcError } from "../../rpc/index.ts";
import type { Published, PublishRequest } from "../internal/calls.ts";
import { heldError } from "./publish-order.ts";
import type { PublishPlace } from "./publish-order.ts";
import { publisherOf } from "./publisher.ts";
import type { Publisher } from "./publisher.ts";

/** A publisher for each stream that a gateway is publishing to, with a common bound on the bytes they hold. */
export class Publishers {
  readonly #env: Env;
  readonly #publishers = new Map<string, Publisher>();
  #waitingBytes = 0;

  constructor(env: Env) {
    this.#env = env;
  }

  /**
   * Stores a request's messages in the order of the calls.
   *
   * @throws RpcError Busy when this gateway holds too much already; what the stream refused; OutcomeUnknown when it did
   *   not answer; Unavailable when it was not asked, or a publish before this place has to be sent again.
   */
  async publish(stream: string, request: PublishRequest, place: PublishPlace | undefined): Promise<Published> {
    if (place?.isHeld === true) {
      throw heldError();
    }
    const size = request.bytes.reduce((sum, bytes) => sum + bytes, 0);
    if (this.#waitingBytes + size > LIMITS.publishQueueBytes) {
      // Before anything is awaited: the next one may come in the same frame.
      place?.hold();
      throw new RpcError("Busy", "this gateway has too much to publish", { limit: LIMITS.publishQueueBytes });
    }
    this.#waitingBytes += size;
    try {
      return await this.#of(stream).add({ request, place }, size);
    } catch (error) {
      place?.failed(error);
      throw error;
    } finally {
      this.#waitingBytes -= size;
    }
  }

  #of(stream: string): Publisher {
    let publisher = this.#publishers.get(stream);
    if (publisher === undefined) {
      publisher = publisherOf(this.#env, stream, () => this.#publishers.delete(stream));
      this.#publishers.set(stream, publisher);
    }
    return publisher;
  }
}
