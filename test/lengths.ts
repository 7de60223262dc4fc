/** How long the runs are that find the more the longer they last. Read where they run by `inject("lengths")`. */
export type Lengths = {
  /** Sequences of commands that a model is compared over, of the consumer cursor and of a stream's producers. */
  modelRuns: number;
  /** Runs of a client that publishes over a network which loses and delays. */
  producerRuns: number;
  /** Rounds of a hundred races of subscribe against publish. */
  raceRounds: number;
  /** Times that a server is ended by SIGKILL under load. */
  killRounds: number;
  /** Connections lost by the clients of one run. */
  disconnects: number;
  /** Messages that producers store through faults. */
  producerMessages: number;
  /** Messages that the workers of a consumer share while they are killed. */
  consumerMessages: number;
  /** Times that the server of a consumer is ended by SIGKILL. */
  consumerCrashes: number;
  /** Streams that are created, deleted and made again while the list of them is kept. */
  listedStreams: number;
  /** Messages of the stream that the console shows. */
  consoleMessages: number;
  /** Seconds for which the console is sent 500 messages a second. */
  consoleSeconds: number;
  /** Parts of the largest object that is moved, 768 kB each. */
  objectParts: number;
};

/** Of `npm test`: each run is there, and short. */
export const SHORT: Lengths = {
  modelRuns: 1_000,
  producerRuns: 300,
  raceRounds: 10,
  killRounds: 4,
  disconnects: 60,
  producerMessages: 10_000,
  consumerMessages: 3_000,
  consumerCrashes: 2,
  listedStreams: 100,
  consoleMessages: 20_000,
  consoleSeconds: 6,
  objectParts: 14,
};

/** Of `npm run test:long`. */
export const LONG: Lengths = {
  modelRuns: 10_000,
  producerRuns: 20_000,
  raceRounds: 100,
  killRounds: 20,
  disconnects: 500,
  producerMessages: 200_000,
  consumerMessages: 20_000,
  consumerCrashes: 5,
  listedStreams: 10_000,
  consoleMessages: 1_000_000,
  consoleSeconds: 60,
  objectParts: 261,
};

/** The tests that have a length: what `npm run test:long` runs, those that take longest first. */
export const LONG_RUNS = [
  "test/e2e/faults/directory.test.ts",
  "test/stream/producers/model.test.ts",
  "test/e2e/faults/producers.test.ts",
  "test/e2e/faults/client-disconnects.test.ts",
  "test/e2e/bounds/long-streams/long-streams.test.ts",
  "test/e2e/objects/large-objects.test.ts",
  "test/e2e/console/messages/load.test.ts",
  "test/e2e/faults/kill.test.ts",
  "test/gateway/streams/races.test.ts",
  "test/e2e/package/git-install.test.ts",
  "test/client/calls/producers.test.ts",
  "test/consumers/cursor/model.test.ts",
  "test/e2e/faults/consumers.test.ts",
  "test/e2e/idle.test.ts",
  "test/runtime/idle.test.ts",
];

/** Those that have no short form: they wait for the runtime to let idle objects sleep, fill a stream, or install every tool. */
export const ONLY_LONG = [
  "test/runtime/idle.test.ts",
  "test/e2e/idle.test.ts",
  "test/e2e/bounds/long-streams/long-streams.test.ts",
  "test/e2e/package/git-install.test.ts",
];

/** Lengths with what the environment says otherwise: `KILL_ROUNDS=200` for `killRounds`, and so on. */
export function lengthsOf(lengths: Lengths, env: Readonly<Record<string, string | undefined>>): Lengths {
  const entries = Object.entries(lengths).map(([name, length]): [string, number] => {
    const given = env[name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()];
    return [name, given === undefined ? length : Number(given)];
  });
  return Object.fromEntries(entries) as Lengths;
}

declare module "vitest" {
  export interface ProvidedContext {
    lengths: Lengths;
  }
}
