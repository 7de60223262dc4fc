import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { connect } from "../harness/client.ts";

/**
 * The runtime evicts an object 10 s after its last event; before, the gateway's timer for its last check may run for
 * 8 s. Nothing can be asked meanwhile, as every question would wake what is to sleep, so this one wait is a sleep.
 */
const EVICTED_BY_MS = 10_000 + 8_000 + 4_000;

const SUBSCRIBERS = 100;

const MARK = Symbol("the instance that was there before");

it(
  "evicts an idle stream and the idle gateways of its followers, and delivery goes on",
  { timeout: 40_000 },
  async () => {
    const stream = "runtime-idle";
    const followers = await Promise.all(Array.from({ length: SUBSCRIBERS }, () => connect()));
    await Promise.all(followers.map((follower) => follower.call("subscribe", { stream })));
    const publisher = await connect();
    await publisher.call("publish", { stream, data: "before" });
    await Promise.all(followers.map((follower) => follower.untilMessages(1)));
    const objects = [env.STREAM.getByName(stream), env.GATEWAY.getByName("local-0"), env.GATEWAY.getByName("local-1")];
    await Promise.all(
      objects.map((object) => runInDurableObject(object, (instance) => Reflect.set(instance, MARK, true))),
    );

    await scheduler.wait(EVICTED_BY_MS);

    await publisher.call("publish", { stream, data: "after" });
    const received = await Promise.all(followers.map((follower) => follower.untilMessages(2)));
    expect(received).toEqual(followers.map(() => [1, 2]));
    const areOld = await Promise.all(objects.map((object) => runInDurableObject(object, isOld)));
    expect(areOld).toEqual([false, false, false]);
  },
);

function isOld(instance: object): boolean {
  return Reflect.has(instance, MARK);
}
