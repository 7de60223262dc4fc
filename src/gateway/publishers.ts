import { LIMITS, RpcError } from "../../rpc/index.ts";
import type { Published, PublishRequest } from "../calls.ts";

import { Publisher } from "./publisher.ts";

/** The publishers of a gateway, one for each stream that is being published to, and what they hold together. */
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
   * @throws RpcError Busy when this gateway holds too much already; what the stream refused; OutcomeUnknown or
   *   Unavailable when it could not be asked.
   */
  async publish(stream: string, request: PublishRequest): Promise<Published> {
    const size = request.bytes.reduce((sum, bytes) => sum + bytes, 0);
    if (this.#waitingBytes + size > LIMITS.publishQueueBytes) {
      throw new RpcError("Busy", "this gateway has too much to publish", { limit: LIMITS.publishQueueBytes });
    }
    this.#waitingBytes += size;
    try {
      return await this.#of(stream).publish(request, size);
    } finally {
      this.#waitingBytes -= size;
    }
  }

  #of(stream: string): Publisher {
    let publisher = this.#publishers.get(stream);
    if (publisher === undefined) {
      publisher = new Publisher(this.#env, stream, () => this.#publishers.delete(stream));
      this.#publishers.set(stream, publisher);
    }
    return publisher;
  }
}
