import { isDeepStrictEqual } from "node:util";

import { DurableStream } from "../../rpc/client.ts";

import { CITIES, isCity, Totals } from "./cities.ts";
import { Display, formatCount, paint } from "./display.ts";
import { Follower } from "./follower.ts";
import { BATCH_MESSAGES, Publisher, SINGLES } from "./publisher.ts";
import { examine, isFaultless, reportTable } from "./report.ts";
import type { DemoServer } from "./server.ts";

/** When followers join, by what is published then. */
const FIRST_JOINS_AT = 400;
const SLOW_JOINS_AT = 1_200;
const LATE_JOINS_AT = 3_000;
const LATE_BEGINS_AT = 2_000;
/** The last message it gets, at least, before it loses its connection. */
const LATE_BREAKS_AT = 4_500;
const SLOW = { maxInFlight: 32, handleMs: 20 };
const CHECKPOINT_EVERY = 1_500;

type Stage = {
  client: DurableStream;
  stream: string;
  publisher: Publisher;
  followers: { first: Follower; slow: Follower; late: Follower };
  display: Display;
};

/** Tells the story and checks every follower against what was published; true when all is as it should be. */
export async function demonstrate(server: DemoServer): Promise<boolean> {
  const client = new DurableStream({ url: server.url, token: server.apiKey });
  const stream = `demo-${new Date().toISOString().replaceAll(/\D/g, "").slice(2, 17)}`;
  const publisher = new Publisher(client, stream);
  const followers = {
    first: new Follower(server, { name: "first", stream, maxInFlight: 1_000, handleMs: 0 }),
    slow: new Follower(server, { name: "slow", stream, ...SLOW }),
    late: new Follower(server, { name: "late", stream, maxInFlight: 1_000, handleMs: 0 }),
  };
  const all = Object.values(followers);
  // A follower may be at a message before the publisher is told that it is stored.
  const display = new Display(() => [
    { label: "acknowledged", done: publisher.published.count, of: CITIES.length },
    ...all.map(({ name, received }) => ({ label: `${name} at`, done: received.count, of: CITIES.length })),
  ]);
  const stage = { client, stream, publisher, followers, display };
  let revision: number;
  try {
    display.tell(`server      ${server.url}, ${server.isStartedHere ? "started for this" : "which was running"}`);
    [revision] = await Promise.all([takeCheckpoints(stage), publishAll(stage), joinAll(stage)]);
  } finally {
    display.end();
  }

  const reports = all.map(({ name, begins, messages }) => examine(name, begins, messages, CITIES));
  console.log(`\n${reportTable(publisher.published.count, reports)}\n`);
  const surprises = all.flatMap((follower) => follower.surprises);
  const checks: [what: string, isSo: boolean][] = [
    [
      "every follower got what was published: in order, missing 0, repeated 0",
      reports.every(isFaultless) && surprises.length === 0,
    ],
    ...(await checkStream(stage, revision)),
  ];
  for (const [what, isSo] of checks) {
    console.log(isSo ? `  ${paint("green", "✓")} ${what}` : `  ${paint("red", "✗")} NOT SO: ${what}`);
  }
  for (const surprise of surprises) {
    console.log(`  ${paint("red", "✗")} unexpected: ${surprise}`);
  }
  console.log();
  await client.deleteStream({ stream });
  await client.close();
  return surprises.length === 0 && checks.every(([, isSo]) => isSo);
}

async function publishAll({ publisher, stream, display }: Stage): Promise<void> {
  const all = formatCount(CITIES.length);
  display.tell(
    `publish     ${all} cities to ${stream}: ${formatCount(SINGLES)} one by one, then in batches of ${BATCH_MESSAGES}`,
  );
  const startedAt = performance.now();
  await publisher.run();
  const seconds = (performance.now() - startedAt) / 1_000;
  display.tell(
    `publish     all acknowledged after ${seconds.toFixed(1)} s, ${formatCount(Math.round(CITIES.length / seconds))} a second`,
  );
}

async function joinAll({ publisher, followers, display }: Stage): Promise<void> {
  const { first, slow, late } = followers;
  const { published } = publisher;
  const tell = (name: string, does: string): void => {
    display.tell(`${name.padEnd(10)}  ${does} when ${formatCount(published.count)} are acknowledged`);
  };

  await published.whenReached(FIRST_JOINS_AT);
  tell("first", "joins from the first message");
  await first.follow("first");

  await published.whenReached(SLOW_JOINS_AT);
  tell("slow", `joins for new messages only, ${SLOW.maxInFlight} in flight, ${SLOW.handleMs} ms an ack,`);
  await slow.follow("new");

  await published.whenReached(LATE_JOINS_AT);
  tell("late", `joins from sequence ${formatCount(LATE_BEGINS_AT)}`);
  await late.follow({ sequence: LATE_BEGINS_AT });

  await late.received.whenReached(LATE_BREAKS_AT);
  const last = late.breakConnection();
  tell("late", `lost its connection after sequence ${formatCount(last)}, and its client goes on by itself,`);

  await Promise.all(Object.values(followers).map((follower) => follower.handled.whenReached(CITIES.length)));
  await Promise.all(Object.values(followers).map((follower) => follower.close()));
}

/**
 * Keeps totals of the cities as the stream's state, and trims what they cover: what every follower has handled.
 *
 * @returns The revision of the last checkpoint.
 */
async function takeCheckpoints({ client, stream, followers, display }: Stage): Promise<number> {
  const totals = new Totals();
  let covered = 0;
  let revision = 0;
  while (covered < CITIES.length) {
    const through = Math.min(covered + CHECKPOINT_EVERY, CITIES.length);
    await Promise.all(Object.values(followers).map((follower) => follower.handled.whenReached(through)));
    for (const city of followers.first.messages.slice(covered, through).map(({ data }) => data)) {
      if (isCity(city)) {
        totals.add(city);
      }
    }
    const done = await client.checkpoint({
      stream,
      state: totals.toJSON(),
      through,
      expectedRevision: revision,
    });
    ({ revision } = done);
    covered = through;
    const { cities, countries } = totals.toJSON();
    display.tell(
      `checkpoint  ${revision}: ${formatCount(cities)} cities of ${countries} countries; ` +
        `${formatCount(done.deleted)} messages trimmed`,
    );
  }
  return revision;
}

async function checkStream({ client, stream, publisher }: Stage, revision: number): Promise<[string, boolean][]> {
  const expected = Totals.of(CITIES).toJSON();
  const kept = await client.getState({ stream });
  const info = await client.getStreamInfo({ stream });
  const [city] = CITIES;
  const again = city === undefined ? undefined : await publisher.publish(0, city);
  const population = formatCount(expected.population);
  return [
    [
      `checkpoint ${revision} covers ${formatCount(expected.cities)} cities with ${population} people`,
      kept.revision === revision && isDeepStrictEqual(kept.state, expected),
    ],
    [
      `the log is trimmed to ${info.messages} messages and goes on at ${formatCount(CITIES.length + 1)}`,
      info.messages === 0 && info.firstSequence === CITIES.length + 1,
    ],
    [
      "publishing the first city again with its id is answered with sequence 1 and stores nothing",
      again?.duplicate === true && again.sequence === 1,
    ],
  ];
}
