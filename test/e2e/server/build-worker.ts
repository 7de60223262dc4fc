/** Apart from `server.ts`: to load wrangler takes a second, and every test file would. */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { unstable_getMiniflareWorkerOptions as readWranglerConfig } from "wrangler";

const root = join(import.meta.dirname, "../../..");

/** Builds the Worker as a deploy would, without the network, to be served by any number of servers. */
export async function buildWorker(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const wrangler = join(root, "node_modules/wrangler/bin/wrangler.js");
  const flags = [`--env-file=${join(root, "scripts/wrangler.env")}`, wrangler];
  await promisify(execFile)(process.execPath, [...flags, "deploy", "--dry-run", "--outdir", folder], { cwd: root });
  // Read here and not by each server: loading wrangler takes longer than a server takes to start.
  const { workerOptions } = readWranglerConfig(join(root, "wrangler.toml"));
  // The built Worker is one module, so there are no rules for others.
  const { modulesRules: _rules, ...options } = workerOptions;
  await writeFile(join(folder, "options.json"), JSON.stringify(options));
}
