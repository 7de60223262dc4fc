/**
 * `npm run dev`: the Worker on this machine, built again on every change of a source; no account and no network. To use
 * it, `npm start` is several times faster: here a proxy of wrangler's is between client and Worker.
 *
 * Flags after `--` go on to `wrangler dev`: `npm run dev -- --port 9000 --persist-to DIR --var API_KEY:secret`.
 */
import { fork } from "node:child_process";
import { join, resolve } from "node:path";
import { loadEnvFile } from "node:process";
import { pathToFileURL } from "node:url";

import { createEnvFile, readEnvFile } from "./env-file.ts";
import { onStop } from "./stop-signals.ts";

const root = join(import.meta.dirname, "..");
const wranglerFlags = process.argv.slice(2);

try {
  createEnvFile();
  // What is loaded into wrangler reads it too, and would show its stack.
  readEnvFile();
  loadEnvFile(join(root, "scripts/wrangler.env"));
  runWrangler();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

function runWrangler(): void {
  const optionalSecrets = pathToFileURL(join(root, "scripts/dev/optional-secrets.ts")).href;
  const wrangler = fork(
    join(root, "node_modules/wrangler/wrangler-dist/cli.js"),
    ["dev", "--var", "LOG_FAILED_CALLS:true", ...wranglerFlags],
    { cwd: root, execArgv: ["--no-warnings", "--import", optionalSecrets] },
  );
  let stopping = false;

  wrangler.on("message", (message) => {
    if (typeof message !== "string") {
      return;
    }
    const { event, ip, port }: { event: string; ip: string; port: number } = JSON.parse(message);
    if (event === "DEV_SERVER_READY") {
      console.log(
        `Durable Stream on http://${ip}:${port}, key: ${keySource()}, data in ${dataFolder()}. To empty it: stop, and delete that folder.`,
      );
    }
  });
  // Wrangler ends workerd when it is asked to stop; leaving before it has done so would orphan both.
  onStop("dev", () => {
    stopping = true;
    wrangler.kill("SIGTERM");
  });
  wrangler.on("exit", (code) => {
    process.exitCode = stopping ? 0 : (code ?? 1);
  });
}

/** Where the key in force comes from: wrangler puts `--var` before .env. */
function keySource(): string {
  return wranglerFlags.some((flag) => /^(--var=)?API_KEY:/.test(flag))
    ? "API_KEY of the --var flag"
    : "API_KEY in .env";
}

/** Where wrangler keeps streams and objects. */
function dataFolder(): string {
  const at = wranglerFlags.findLastIndex((flag) => /^--persist-to(=|$)/.test(flag));
  const [, folder = wranglerFlags[at + 1]] = wranglerFlags[at]?.split("=") ?? [];
  return at < 0 || folder === undefined ? join(root, ".wrangler/state") : resolve(root, folder);
}
