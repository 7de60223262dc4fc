import type { Published, PublishRequest } from "../internal/calls.ts";
import { queueFullError } from "./publish-budget.ts";
import type { PublishBudget } from "./publish-budget.ts";
import { heldError } from "./publish-order.ts";
import type { PublishPlace } from "./publish-order.ts";
import { publisherOf } from "./publisher.ts";
import type { Publisher } from "./publisher.ts";

/** The publishers of a gateway, one for each stream that is being published to. */
export class Publishers {
  readonly #env: Env;
  readonly #budget: PublishBudget;
  readonly #publishers = new Map<string, Publisher>();

  /** @param budget Bounds what they hold together. */
  constructor(env: Env, budget: PublishBudget) {
    this.#env = env;
    this.#budget = budget;
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
    if (!this.#budget.take(size)) {
      // Before anything is awaited: the next one may come in the same frame.
      place?.hold();
      throw queueFullError();
    }
    try {
      return await this.#of(stream).add({ request, place }, size);
    } catch (error) {
      place?.failed(error);
      throw error;
    } finally {
      this.#budget.release(size);
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
