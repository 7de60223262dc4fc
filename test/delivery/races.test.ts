import { expect, inject, it } from "vitest";

import { connect } from "../client.ts";
import { range } from "../objects.ts";

const { raceRounds: ROUNDS } = inject("lengths");
const RACES_PER_ROUND = 100;
const MESSAGES = 6;

it(`misses and repeats nothing in ${ROUNDS * RACES_PER_ROUND} races of subscribe against publish`, async () => {
  const publisher = await connect();
  const followers = await Promise.all(range(1, 4).map(() => connect()));
  let races = 0;

  for (let round = 0; round < ROUNDS; round += 1) {
    const stream = `race-${round}`;
    // One request in flight for each race and each publish: the limit is 64 a socket.
    const publishing = publishAll(stream);
    const racing = followers.map(async (follower, index) => {
      const before = follower.notifications.length;
      const subscriptions: number[] = [];
      for (let race = 0; race < RACES_PER_ROUND / followers.length; race += 1) {
        const from = race % 2 === 0 ? "first" : { sequence: 1 + ((index + race) % MESSAGES) };
        const start = await follower.call("subscribe", { stream, from });
        subscriptions.push(start.subscription);
      }
      await publishing;
      const expected = subscriptions.map((_, race) => (race % 2 === 0 ? 1 : 1 + ((index + race) % MESSAGES)));
      await follower.until(
        () => {
          const seen = sequencesOf(follower, before);
          return subscriptions.every((id) => seen.get(id)?.at(-1) === MESSAGES) ? true : undefined;
        },
        () => `the last message of every race in ${stream}`,
      );
      const seen = sequencesOf(follower, before);
      for (const [race, id] of subscriptions.entries()) {
        expect(seen.get(id)).toEqual(range(expected[race] ?? 1, MESSAGES));
        races += 1;
      }
      await Promise.all(subscriptions.map((subscription) => follower.call("unsubscribe", { subscription })));
    });
    await Promise.all(racing);
  }

  expect(races).toBe(ROUNDS * RACES_PER_ROUND);

  async function publishAll(stream: string): Promise<void> {
    for (let count = 0; count < MESSAGES; count += 1) {
      await publisher.call("publish", { stream, data: count });
    }
  }
}, 120_000);

type Client = Awaited<ReturnType<typeof connect>>;

function sequencesOf(client: Client, from: number): Map<number, number[]> {
  const seen = new Map<number, number[]>();
  for (const notification of client.notifications.slice(from)) {
    if (notification.method === "messages") {
      const { subscription, messages } = notification.params;
      const sequences = seen.get(subscription) ?? [];
      sequences.push(...messages.map((message) => message.sequence));
      seen.set(subscription, sequences);
    }
  }
  return seen;
}
