import { RpcError } from "../../rpc/index.ts";

import { reportError } from "../platform/error-response.ts";
import { refusalError } from "../platform/refused.ts";
import type { BatcherHost } from "../platform/scheduling/batcher.ts";

import { QUEUE_FULL } from "./publish-budget.ts";
import type { PublishBudget } from "./publish-budget.ts";
import type { PublishGroup, PublishOutcome } from "./publish-call.ts";
import { publisherOf } from "./publisher.ts";
import type { Publisher } from "./publisher.ts";

/** Publishers that are kept when nothing waits for them: to make one anew, and its stub, costs a lone publish a twentieth. */
const KEPT = 256;

/** The publishers of a gateway, one for each stream that is being published to. */
export class Publishers {
  readonly #host: BatcherHost;
  readonly #budget: PublishBudget;
  readonly #publishers = new Map<string, Publisher>();

  /** @param budget Bounds what they hold together. */
  constructor(host: BatcherHost, budget: PublishBudget) {
    this.#host = host;
    this.#budget = budget;
  }

  /**
   * Stores the messages of a caller's publishes, in the order of the calls. Never rejects.
   *
   * @returns What became of each, in their order; an error is Busy when this gateway holds too much already, what the
   *   stream refused, OutcomeUnknown when it did not answer, or Unavailable when it was not asked.
   */
  async publish(stream: string, group: PublishGroup): Promise<readonly PublishOutcome[]> {
    const { requests, lane, orders } = group;
    const size = sizeOf(group);
    if (!this.#budget.take(size)) {
      // Before anything is awaited: the next ones may come in the same frame.
      lane?.hold(orders[0] ?? 0);
      return requests.map(() => QUEUE_FULL);
    }
    try {
      const outcomes = await this.#of(stream).add(group, size, requests.length);
      for (const [index, outcome] of lane === undefined ? [] : outcomes.entries()) {
        if (outcome instanceof RpcError) {
          lane?.failed(orders[index] ?? 0, outcome);
        }
      }
      return outcomes;
    } catch (error) {
      // The whole call failed. An error that has crossed an RPC boundary is of no class.
      const failure = error instanceof RpcError ? error : refusalError(reportError(error));
      lane?.failed(orders[0] ?? 0, failure);
      return requests.map(() => failure);
    } finally {
      this.#budget.release(size);
    }
  }

  #of(stream: string): Publisher {
    let publisher = this.#publishers.get(stream);
    if (publisher === undefined) {
      publisher = publisherOf(this.#host, stream, () => this.#idle(stream));
      this.#publishers.set(stream, publisher);
    }
    return publisher;
  }

  #idle(stream: string): void {
    if (this.#publishers.size > KEPT) {
      this.#publishers.delete(stream);
    }
  }
}

function sizeOf({ requests }: PublishGroup): number {
  let size = 0;
  for (const { bytes } of requests) {
    for (const one of bytes) {
      size += one;
    }
  }
  return size;
}
