import { glob, mkdir, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { expect } from "vitest";

import { test } from "./server/fixtures.ts";
import { OFFLINE } from "../../scripts/server/options.ts";

/** The page of an SQLite database in which nothing was ever written. */
const EMPTY_BYTES = 4_096;

/** The databases of a class of Durable Objects, but for the one in which the runtime keeps their names. */
async function databases(data: string, className: string): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob(`**/*-${className}/*.sqlite`, { cwd: data })) {
    if (basename(file) !== "metadata.sqlite") {
      files.push(join(data, file));
    }
  }
  return files;
}

test("the runtime stores a page for an object that is only asked, whatever its class does", async ({ data }) => {
  const worker = join(data, "worker");
  await mkdir(worker);
  await writeFile(
    join(worker, "worker.js"),
    `import { DurableObject } from "cloudflare:workers";
    export class Bare extends DurableObject { ask() { return "asked"; } }
    export default { fetch: async (_request, env) => new Response(await env.BARE.getByName("unknown").ask()) };`,
  );
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      name: "bare",
      modules: true,
      rootPath: worker,
      scriptPath: "worker.js",
      compatibilityDate: "2026-10-23",
      durableObjects: { BARE: { className: "Bare", useSQLite: true } },
      resourcePersistencePath: data,
      ...OFFLINE,
    }),
  );

  const answer = await fetch(await miniflare.ready);
  expect(await answer.text()).toBe("asked");
  await miniflare.dispose();

  const files = await databases(data, "Bare");
  expect(files).toHaveLength(1);
  expect((await stat(files[0] ?? "")).size).toBe(EMPTY_BYTES);
});

test("a look-up of a name that does not exist stores nothing but that page", async ({ server, connect, data }) => {
  const client = await connect();
  const names = Array.from({ length: 20 }, (_, index) => `unknown-${index}`);
  for (const stream of names) {
    await client.callError("getStreamInfo", { stream });
    await client.callError("getMessages", { stream });
    await client.callError("subscribe", { stream, consumer: "c" });
    await client.call("getState", { stream });
  }
  await server.stop();

  const files = await databases(data, "Stream");
  expect(files).toHaveLength(names.length);
  for (const file of files) {
    expect((await stat(file)).size).toBe(EMPTY_BYTES);
    using database = new DatabaseSync(file, { readOnly: true });
    expect(database.prepare("SELECT name FROM sqlite_master").all()).toEqual([]);
  }
});
