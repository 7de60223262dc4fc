import type { Published, PublishReply, PublishRequest } from "../internal/calls.ts";
import { Batcher } from "../platform/batcher.ts";

import { outcomes, publishCall } from "./publish-call.ts";
import { heldError } from "./publish-order.ts";
import type { PublishPlace } from "./publish-order.ts";

/** Requests of one call: one commit should not hold up its stream for long. */
const CALL_REQUESTS = 1_000;
/** Text of one call: far below the 32 MiB that an RPC may carry. */
const CALL_BYTES = 4_194_304;

type Publish = {
  readonly request: PublishRequest;
  /** Its place among the publishes of its caller to the stream. */
  readonly place: PublishPlace | undefined;
};

/** The publishes of one gateway to one stream, in order, with as few commits as there can be. */
export type Publisher = Batcher<Publish, PublishReply, Published>;

/** Makes an idle publisher. */
export function publisherOf(env: Env, stream: string, onIdle: () => void): Publisher {
  return new Batcher<Publish, PublishReply, Published>({
    maxItems: CALL_REQUESTS,
    maxSize: CALL_BYTES,
    // Two calls at once would lose the order.
    mayOverlap: false,
    call: async (publishes) =>
      env.STREAM.getByName(stream).publish(publishCall(stream, requestsOf(publishes), lanesOf(publishes))),
    outcomes: (publishes, reply) => outcomes(requestsOf(publishes), reply),
    // What waits after a publish that has to be sent again must not be stored before it.
    refusalOf: ({ place }) => (place?.isHeld === true ? heldError() : undefined),
    onIdle,
  });
}

function requestsOf(publishes: readonly Publish[]): PublishRequest[] {
  return publishes.map(({ request }) => request);
}

/** For each request the number of its caller's lane, if any needs it: only what carries an id may be refused for a time. */
function lanesOf(publishes: readonly Publish[]): number[] | undefined {
  if (publishes.every(({ request }) => request.id === undefined)) {
    return undefined;
  }
  const numbers = new Map<object, number>();
  return publishes.map(({ place, request }) => {
    const lane = place?.lane ?? request;
    const number = numbers.get(lane) ?? numbers.size;
    numbers.set(lane, number);
    return number;
  });
}
