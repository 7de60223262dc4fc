/**
 * `npm run dev`: the Worker on this machine, in workerd, with SQLite and R2 on disk; no account and no network.
 *
 * Flags after `--` go on to `wrangler dev`: `npm run dev -- --port 9000 --persist-to DIR --var API_KEY:secret`.
 */
import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadEnvFile } from "node:process";

const root = join(import.meta.dirname, "..");
const wranglerFlags = process.argv.slice(2);

createEnvFile();
loadEnvFile(join(root, "scripts/wrangler.env"));
runWrangler();

function createEnvFile(): void {
  const path = join(root, ".env");
  if (existsSync(path)) {
    return;
  }
  const key = randomBytes(32).toString("base64url");
  const text = readFileSync(join(root, ".env.example"), "utf8").replace(/^API_KEY=.*$/m, `API_KEY=${key}`);
  writeFileSync(path, text, { mode: 0o600, flag: "wx" });
  console.log("Wrote .env with a new API_KEY.");
}

function runWrangler(): void {
  const wrangler = fork(join(root, "node_modules/wrangler/bin/wrangler.js"), ["dev", ...wranglerFlags], { cwd: root });
  let stopping = false;

  wrangler.on("message", (message) => {
    if (typeof message !== "string") {
      return;
    }
    const { event, ip, port }: { event: string; ip: string; port: number } = JSON.parse(message);
    if (event === "DEV_SERVER_READY") {
      console.log(`Durable Stream on http://${ip}:${port}, key: ${keySource()}`);
    }
  });
  // Wrangler ends workerd when it is asked to stop; leaving before it has done so would orphan both.
  const stop = (): void => {
    stopping = true;
    wrangler.kill("SIGTERM");
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, stop);
  }
  whenNpmIsGone(stop);
  wrangler.on("exit", (code) => {
    process.exitCode = stopping ? 0 : (code ?? 1);
  });
}

/**
 * Under npm the parent of this process is a shell, and where that is dash a SIGTERM to npm ends the shell but is not
 * passed on. A new parent is the sign of it.
 */
function whenNpmIsGone(stop: () => void): void {
  if (process.env["npm_lifecycle_event"] !== "dev") {
    return;
  }
  const shell = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid !== shell) {
      clearInterval(timer);
      stop();
    }
  }, 200);
  timer.unref();
}

/** Where the key in force comes from: wrangler puts `--var` before .env. */
function keySource(): string {
  return wranglerFlags.some((flag) => /^(--var=)?API_KEY:/.test(flag))
    ? "API_KEY of the --var flag"
    : "API_KEY in .env";
}
