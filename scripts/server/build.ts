/** The Worker as a deploy would build it, for servers on this machine: bundled by wrangler, without the network. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { glob, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { buildConsole } from "../build-console.ts";

const root = join(import.meta.dirname, "../..");
const builds = join(root, "dist/server");
const run = promisify(execFile);
const KEPT_MS = 86_400_000;

/** All that a build is made of. */
const SOURCES = [
  "{src,rpc}/**/*.{ts,tsx,css,html}",
  "tsconfig*.json",
  "wrangler.toml",
  "package-lock.json",
  "scripts/{server/build,build-console}.ts",
];

if (import.meta.main) {
  await buildWorker(process.argv[2] ?? "");
}

/**
 * Writes into a folder `worker.js`, `console/`, and `options.json`: what wrangler.toml says of the Worker, as options of
 * Miniflare.
 */
async function buildWorker(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const wrangler = join(root, "node_modules/wrangler/bin/wrangler.js");
  const flags = [`--env-file=${join(root, "scripts/wrangler.env")}`, wrangler];
  const bundled = run(process.execPath, [...flags, "deploy", "--dry-run", "--outdir", folder], { cwd: root });
  await Promise.all([bundled, writeOptions(join(folder, "options.json")), buildConsole(join(folder, "console"))]);
}

/** Read here and not by each server: loading wrangler takes longer than a server takes to start. */
async function writeOptions(file: string): Promise<void> {
  const { unstable_getMiniflareWorkerOptions, unstable_readConfig } = await import("wrangler");
  const config = join(root, "wrangler.toml");
  const { workerOptions } = unstable_getMiniflareWorkerOptions(config);
  // The built Worker is one module, so there are no rules for others. The console has a worker of its own: serve.ts.
  const { modulesRules: _rules, assets: _assets, ...options } = workerOptions;
  // Those of wrangler.toml alone: `options` has what is in .env besides, and a key does not belong in a build.
  const { vars } = unstable_readConfig({ config });
  await writeFile(file, JSON.stringify({ ...options, bindings: vars }));
}

/** The folder of the Worker built from the sources as they are now; it is built only when there is none yet. */
export async function builtWorker(): Promise<string> {
  const name = await hashOfSources();
  const folder = join(builds, name);
  // A server whose build was removed under it writes its compile cache there at its end: a folder alone is no build.
  const isBuilt = () => existsSync(join(folder, "options.json"));
  if (isBuilt()) {
    await used(folder);
    return folder;
  }
  const unfinished = `${folder}.${process.pid}`;
  try {
    // In a process of its own: wrangler's memory is not a server's to keep.
    await run(process.execPath, [import.meta.filename, unfinished], { cwd: root });
    if (!isBuilt()) {
      await rm(folder, { recursive: true, force: true });
    }
    await rename(unfinished, folder);
  } catch (error) {
    // Another process may have been first.
    if (!isBuilt()) {
      throw error;
    }
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  await used(folder);
  await removeUnused();
  return folder;
}

/** Notes that a server is started from a build. */
async function used(folder: string): Promise<void> {
  const now = new Date();
  await utimes(join(folder, "options.json"), now, now);
}

/** Removes the builds that no server was started from for a day: one that runs serves the console from its own. */
async function removeUnused(): Promise<void> {
  for (const name of await readdir(builds)) {
    const { mtimeMs } = await stat(join(builds, name, "options.json")).catch(() => ({ mtimeMs: 0 }));
    if (!name.includes(".") && Date.now() - mtimeMs > KEPT_MS) {
      await rm(join(builds, name), { recursive: true, force: true });
    }
  }
}

async function hashOfSources(): Promise<string> {
  const files: string[] = [];
  for await (const file of glob(SOURCES, { cwd: root })) {
    files.push(file);
  }
  const hash = createHash("sha256");
  for (const file of files.toSorted()) {
    hash
      .update(`${file}\0`)
      .update(await readFile(join(root, file)))
      .update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}
