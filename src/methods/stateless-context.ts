import type { Access } from "../access/access.ts";
import { expectLive } from "../access/authenticate.ts";
import { Deadlines } from "../platform/scheduling/deadlines.ts";
import { Gathering } from "../platform/scheduling/gathering.ts";
import { PublishBudget } from "../publishing/publish-budget.ts";
import { PublishOrder } from "../publishing/publish-order.ts";
import { publishRateOf } from "../publishing/publish-rates.ts";
import { Publishers } from "../publishing/publishers.ts";

import type { CallContext } from "./context.ts";

/**
 * The context of a caller without a socket, by HTTP or a service binding. Messages of one request are stored in order,
 * and in one commit when they are published together; their place among those of other callers is up to the stream.
 */
export function statelessContext(env: Env, access: Access): CallContext {
  const host = { env, deadlines: new Deadlines(), gathering: new Gathering() };
  const publishers = new Publishers(host, new PublishBudget());
  return {
    env,
    access,
    expectLive: () => expectLive(access),
    defaultStream: undefined,
    connection: undefined,
    publish: (stream, group) => publishers.publish(stream, group),
    publishRate: publishRateOf(access, env),
    order: new PublishOrder(),
    afterAnswer: [],
  };
}
