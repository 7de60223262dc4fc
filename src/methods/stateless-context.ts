import { Publishers } from "../publishing/publishers.ts";
import type { CallContext } from "./context.ts";
import { PublishOrder } from "../publishing/publish-order.ts";

/**
 * The context of a caller without a socket, by HTTP or a service binding. What one request publishes keeps its order,
 * and goes in one commit where it comes together; the stream gives it its place among what others publish.
 */
export function statelessContext(env: Env): CallContext {
  const publishers = new Publishers(env);
  return {
    env,
    defaultStream: undefined,
    connection: undefined,
    publish: (stream, request, place) => publishers.publish(stream, request, place),
    order: new PublishOrder(),
    afterAnswer: [],
  };
}
