import type { PublishReply } from "../internal/calls.ts";
import { Batcher } from "../platform/scheduling/batcher.ts";
import type { BatcherHost } from "../platform/scheduling/batcher.ts";

import { outcomes, publishCall } from "./publish-call.ts";
import type { PublishGroup, PublishOutcome } from "./publish-call.ts";
import { heldError } from "./publish-order.ts";

/** Requests of one call: one commit should not hold up its stream for long. */
const CALL_REQUESTS = 1_000;
/** Text of one call: far below the 32 MiB that an RPC may carry. */
const CALL_BYTES = 4_194_304;

/** The publishes of one gateway to one stream, in order, with as few commits as there can be. */
export type Publisher = Batcher<PublishGroup, PublishReply, readonly PublishOutcome[]>;

/** Makes an idle publisher. */
export function publisherOf(host: BatcherHost, stream: string, onIdle: () => void): Publisher {
  let stub: ReturnType<Env["STREAM"]["getByName"]> | undefined;
  return new Batcher<PublishGroup, PublishReply, readonly PublishOutcome[]>({
    maxItems: CALL_REQUESTS,
    maxSize: CALL_BYTES,
    host,
    // Two calls at once would lose the order.
    mayOverlap: false,
    call: async (groups) => {
      stub ??= host.env.STREAM.getByName(stream);
      try {
        return await stub.publish(publishCall(stream, groups));
      } catch (error) {
        // A stub stays broken after an error.
        stub = undefined;
        throw error;
      }
    },
    outcomes,
    // What waits after a publish that has to be sent again must not be stored before it.
    refusalOf: ({ lane, orders }) => (lane?.isHeld(orders[0] ?? 0) === true ? heldError() : undefined),
    onIdle,
    facts: { stream },
  });
}
