import { expect, inject, it } from "vitest";

import { connect } from "../../harness/client.ts";
import { range } from "../../harness/objects.ts";

const { raceRounds: ROUNDS } = inject("lengths");
const RACES_PER_ROUND = 100;
const MESSAGES = 6;

it(`misses and repeats nothing in ${ROUNDS * RACES_PER_ROUND} races of subscribe against publish`, async () => {
  const publisher = await connect();
  const followers = await Promise.all(range(1, 4).map(() => connect()));
  let races = 0;

  for (let round = 0; round < ROUNDS; round += 1) {
    const stream = `race-${round}`;
    let published = 0;
    const publishing = publishAll(stream, () => {
      published += 1;
    });
    const racing = followers.map(async (follower, index) => {
      const before = follower.notifications.length;
      const subscriptions: number[] = [];
      const expected: number[] = [];
      for (let race = 0; race < RACES_PER_ROUND / followers.length; race += 1) {
        // The next one that may be published meanwhile, or one before it.
        const sequence = Math.min(MESSAGES, Math.max(1, published + 1 - ((index + race) % 3)));
        const from = race % 2 === 0 ? "first" : { sequence };
        const start = await follower.call("subscribe", { stream, from });
        subscriptions.push(start.subscription);
        expected.push(from === "first" ? 1 : sequence);
      }
      await publishing;
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

  async function publishAll(stream: string, onPublished: () => void): Promise<void> {
    for (let count = 0; count < MESSAGES; count += 1) {
      await publisher.call("publish", { stream, data: count });
      onPublished();
    }
  }
}, 600_000);

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
