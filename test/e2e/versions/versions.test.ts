import { glob, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { afterAll, beforeAll, describe, expect, inject } from "vitest";

import { startBeside } from "./beside.ts";
import { History, STREAM } from "./history.ts";
import { buildNextVersion } from "./next-version.ts";
import { test } from "../server/fixtures.ts";
import { Server } from "../server/server.ts";

const BUILD_MS = 120_000;

/** What a server says of an error that it did not expect. */
const FAULT = /SQLITE_|"level":"error"|[Uu]ncaught/;

let folder = "";
let next = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "durable-stream-next-"));
  next = await buildNextVersion(folder);
}, BUILD_MS);

afterAll(async () => {
  await rm(folder, { recursive: true, maxRetries: 3 });
});

/** The versions of the tables of a class of objects, of each object, while no server runs. */
async function versionsIn(data: string, className: string): Promise<number[]> {
  const versions: number[] = [];
  for await (const file of glob(`**/*${className}/*.sqlite`, { cwd: data })) {
    const database = new DatabaseSync(join(data, file));
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE name = 'schema_version'").all();
    const rows = tables.length === 0 ? [] : database.prepare("SELECT version FROM schema_version").all();
    versions.push(...rows.map(({ version }) => Number(version)));
    database.close();
  }
  return versions;
}

test("a server goes on with what another version has stored: up, down and up again", async ({ data }) => {
  const present = inject("worker");
  const history = new History();
  const versions: { stream: number[]; gateway: number[] }[] = [];

  for (const worker of [present, next, present, next, present]) {
    await using server = new Server({ worker, data, vars: { GATEWAY_SHARDS: "1" } });
    await server.start();
    await history.goOn(server, async () => {
      await Promise.all([server.evictStream(STREAM), server.evictGateway(0, "hibernate")]);
    });
    await history.check(server);
    expect(server.log).not.toMatch(FAULT);
    // By turns in order and like a crash.
    await (versions.length % 2 === 0 ? server.stop() : server.kill9());
    versions.push({ stream: await versionsIn(data, "Stream"), gateway: await versionsIn(data, "Gateway") });
  }

  const [first] = versions;
  const [stream = 0, gateway = 0] = [first?.stream[0], first?.gateway[0]];
  const later = { stream: [stream + 1], gateway: [gateway + 1] };
  expect(stream).toBeGreaterThan(2);
  expect(gateway).toBeGreaterThan(0);
  expect(versions).toEqual([{ stream: [stream], gateway: [gateway] }, later, later, later, later]);
});

describe("two versions at the same time", () => {
  const pairs: [gateway: string, stream: string, workers: () => { gateway: string; stream: string }][] = [
    ["this", "the next", () => ({ gateway: inject("worker"), stream: next })],
    ["the next", "this", () => ({ gateway: next, stream: inject("worker") })],
  ];

  test.for(pairs)("understand each other: gateways of %s version, streams of %s", async ([, , workers], { data }) => {
    await using target = await startBeside(workers(), data);
    const history = new History();

    for (let round = 0; round < 3; round += 1) {
      await history.goOn(target, async () => undefined);
    }

    await history.check(target);
  });
});
