import { env } from "cloudflare:workers";
import { abortAllDurableObjects } from "cloudflare:test";
import { expect, it } from "vitest";

import { DurableStream } from "../../rpc/client.ts";
import { evict, range } from "../harness/objects.ts";
import { WorkerSocket } from "../harness/worker-socket.ts";

function connect(): { client: DurableStream; lost: () => number } {
  let lost = 0;
  let wasOpen = false;
  const client = new DurableStream({
    url: "https://stream.test",
    token: env.API_KEY,
    WebSocket: WorkerSocket,
    reconnect: { leastMs: 1, mostMs: 20 },
    ping: { everyMs: 100, deadAfterMs: 1_000 },
    onState: ({ state }) => {
      lost += state === "waiting" && wasOpen ? 1 : 0;
      wasOpen = state === "open";
    },
  });
  return { client, lost: () => lost };
}

const ROUNDS = 40;
const EACH = 10;

it("publishes and follows inside workerd while gateways and the stream are evicted, asleep or reset", async () => {
  const stream = "client-evictions";
  const publisher = connect();
  const follower = connect();
  const seen: number[] = [];
  const caughtUp = Promise.withResolvers<void>();
  const subscription = follower.client.subscribe({ stream, maxInFlight: 8 }, (event) => {
    seen.push(event.type === "message" ? event.sequence : -1);
    if (seen.length === ROUNDS * EACH) {
      caughtUp.resolve();
    }
  });
  await subscription.ready;

  const results: { sequence: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const publishes = Array.from({ length: EACH }, (_, index) =>
      publisher.client.publish({ stream, data: round * EACH + index + 1 }),
    );
    if (round % 2 === 0) {
      await evict(env.STREAM.getByName(stream));
      await Promise.all(["local-0", "local-1"].map((gateway) => evict(env.GATEWAY.getByName(gateway))));
    } else {
      await abortAllDurableObjects();
    }
    results.push(...(await Promise.all(publishes)));
  }
  await caughtUp.promise;
  subscription.close();
  await subscription.ended;
  const log = [];
  for (const from of [1, 201]) {
    log.push(...(await publisher.client.getMessages({ stream, from: { sequence: from }, limit: 200 })).messages);
  }
  await Promise.all([publisher.client.close(), follower.client.close()]);

  expect(log.map(({ data }) => data).toSorted((a, b) => Number(a) - Number(b))).toEqual(range(1, ROUNDS * EACH));
  expect(results.map(({ sequence }) => sequence).toSorted((a, b) => a - b)).toEqual(range(1, ROUNDS * EACH));
  expect(seen).toEqual(range(1, ROUNDS * EACH));
  // Half of the rounds reset everything, and the sockets with it.
  expect(publisher.lost() + follower.lost()).toBeGreaterThan(ROUNDS / 2);
});
