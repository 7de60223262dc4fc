import { execFile, fork, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cp, readdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

import { buildConsole } from "../../../scripts/build-console.ts";

const root = join(import.meta.dirname, "../../..");

/** What `npm run dev` and `npm run demo` need of this repository. */
const NEEDED = [
  ".npmrc",
  "package.json",
  "tsconfig.base.json",
  "tsconfig.json",
  "wrangler.toml",
  ".env.example",
  "scripts",
  "src",
  "rpc",
];

const PATIENCE_MS = 40_000;

/** Makes a folder look like a checkout just installed: without a `.env`, and without this one's storage. */
export async function makeCheckout(folder: string): Promise<void> {
  await Promise.all(NEEDED.map((path) => cp(join(root, path), join(folder, path), { recursive: true })));
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  await buildConsole(join(folder, "dist/console"));
}

const KEEPER = join(import.meta.dirname, "group-keeper.ts");

/** An `npm run` in a process group of its own, as a terminal would start it. It does not outlive who made it. */
export class NpmScript {
  readonly #process: ChildProcess;
  readonly #keeper: ChildProcess;
  readonly #wakers = new Set<() => void>();
  readonly #exited: Promise<void>;
  /** All it wrote. */
  output = "";

  constructor(checkout: string, script: string, flags: readonly string[], env: Record<string, string> = {}) {
    this.#process = spawn("npm", ["run", script, "--", ...flags], {
      cwd: checkout,
      detached: true,
      env: { ...environment(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    // In a group of its own too: Ctrl-C ends who made it, and it has to outlast that.
    this.#keeper = fork(KEEPER, [String(this.processGroup)], { detached: true, execArgv: [], stdio: "ignore" });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on("data", (text: Buffer) => {
        this.output += text.toString();
        this.#wake();
      });
    }
    this.#exited = once(this.#process, "close").then(() => this.#wake());
  }

  /** The exit code of npm; undefined while it runs, null when a signal ended it. */
  get exitCode(): number | null | undefined {
    return this.#process.exitCode ?? (this.#process.signalCode === null ? undefined : null);
  }

  /** Waits until the output has what a pattern finds, and returns the match. */
  async untilOutput(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = delay(PATIENCE_MS, "late", { ref: false });
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) {
        return match;
      }
      const woken = Promise.withResolvers<string>();
      this.#wakers.add(() => woken.resolve("woken"));
      if (this.exitCode !== undefined || (await Promise.race([woken.promise, deadline])) === "late") {
        throw new Error(`waited in vain for ${String(pattern)}; it wrote:\n${this.output}`);
      }
    }
  }

  /** What Ctrl-C does in a terminal: SIGINT to the whole group. */
  interrupt(): void {
    this.#signal("SIGINT");
  }

  /** What a supervisor does: SIGTERM to npm alone. */
  terminate(): void {
    this.#process.kill("SIGTERM");
  }

  /** Waits until npm has ended and its output is complete. */
  async untilExited(): Promise<void> {
    const late = delay(PATIENCE_MS, "late", { ref: false });
    if ((await Promise.race([this.#exited, late])) === "late") {
      throw new Error(`npm run did not end; it wrote:\n${this.output}`);
    }
  }

  /** Waits until no process of the group runs. */
  untilGroupIsGone(): Promise<void> {
    return untilGroupIsGone(this.processGroup);
  }

  /** Ends the group for good, whatever state it is in. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal("SIGKILL");
    await this.#exited;
    this.#keeper.kill("SIGKILL");
  }

  /** The number of the group. */
  get processGroup(): number {
    const { pid } = this.#process;
    if (pid === undefined) {
      throw new Error("npm could not be started");
    }
    return pid;
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.processGroup, signal);
    } catch {
      // Safe: there is no such group any more.
    }
  }

  #wake(): void {
    for (const wake of this.#wakers) {
      wake();
    }
    this.#wakers.clear();
  }
}

/** Waits until no process of a group runs; those that ended and were not waited for do not count. */
export async function untilGroupIsGone(group: number): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const running = await runningInGroup(group);
    if (running.length === 0) {
      return;
    }
    if (Date.now() > deadline) {
      throw new Error(`still running: ${running.join("; ")}`);
    }
    // Orphans have no parent here to be told by.
    await delay(50);
  }
}

/** The environment of a terminal: nothing of the npm, vitest or CI that runs this test. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|VITEST|NODE_|TEST$|DEV$|PROD$|CLOUDFLARE_|WRANGLER_|FORCE_COLOR)/.test(name),
  );
  return { ...Object.fromEntries(kept), NO_COLOR: "1" };
}

async function runningInGroup(group: number): Promise<string[]> {
  const processes = process.platform === "linux" ? await linuxProcesses() : await otherProcesses();
  return processes.filter(({ pgid, state }) => pgid === group && !state.startsWith("Z")).map(({ name }) => name);
}

/** What /proc tells of a process; nothing when it has ended meanwhile. */
function factOf(pid: string, file: string): Promise<string> {
  return readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
}

type RunningProcess = { pgid: number; state: string; name: string };

/** From /proc: `ps` is not on every Linux (proc_pid_stat(5)). */
async function linuxProcesses(): Promise<RunningProcess[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map((pid) => factOf(pid, "stat")));
  return stats.flatMap((stat) => {
    const [, name, state, pgid] = /^\d+ \((.*)\) (\S) \d+ (\d+) /s.exec(stat) ?? [];
    return name === undefined || state === undefined ? [] : [{ name, state, pgid: Number(pgid) }];
  });
}

/** What every process of this machine can read of those of a group, on Linux: their command lines and arguments. */
export async function commandLines(group: number): Promise<string[]> {
  const pids = process.platform === "linux" ? (await readdir("/proc")).filter((name) => /^\d+$/.test(name)) : [];
  const lines = pids.map(async (pid) => {
    const [, pgid] = /^\d+ \(.*\) \S \d+ (\d+) /s.exec(await factOf(pid, "stat")) ?? [];
    return Number(pgid) === group ? [await factOf(pid, "cmdline")] : [];
  });
  return (await Promise.all(lines)).flat();
}

async function otherProcesses(): Promise<RunningProcess[]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pgid=,stat=,comm="]);
  return stdout.split("\n").map((line) => {
    const [pgid, state = "", ...name] = line.trim().split(/\s+/);
    return { name: name.join(" "), state, pgid: Number(pgid) };
  });
}
