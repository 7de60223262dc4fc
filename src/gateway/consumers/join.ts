import type { JoinCall, JoinReply } from "../../internal/consumer-calls.ts";
import { callStream } from "../../platform/call-object.ts";
import { accepted } from "../../platform/refused.ts";
import type { Refused } from "../../platform/refused.ts";

/**
 * Has subscriptions join consumers of a stream by one call, which is one commit there.
 *
 * @returns What becomes of each, in the order of the calls.
 */
export function joinConsumers(env: Env, stream: string, calls: readonly JoinCall[]): Promise<JoinReply>[] {
  const joining = repliesOf(env, stream, calls);
  return calls.map(async (call, index) => {
    const reply = (await joining)[index] ?? (await repliesOf(env, stream, [call]))[0];
    if (reply === undefined) {
      throw new Error("a stream has not answered a subscription that joins");
    }
    return accepted(reply);
  });
}

/** A stream of the version before takes one at a time: it answers the first only. */
async function repliesOf(env: Env, stream: string, calls: readonly JoinCall[]): Promise<(JoinReply | Refused)[]> {
  const [first, ...others] = calls;
  return first === undefined
    ? []
    : callStream(env, stream, "reads", async (stub) => [await stub.joinConsumer(first, others)].flat());
}
