import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import type { Target } from "../server/client.ts";

/** What the package has, which every run of the tests builds: it starts in a fifth of the time that its sources take. */
const MAIN = join(import.meta.dirname, "../../../dist/rpc/cli/durable-stream.cjs");
const PATIENCE_MS = 30_000;

/** How a command line is run. */
export type RunOptions = {
  /** What it reads on its standard input, which then ends; nothing unless given. */
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
};

/** A command line that has ended. */
export type Finished = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Where the program is, in the checkout: what comes before its arguments. */
export const PROGRAM: readonly [string, ...string[]] = [process.execPath, MAIN];

/** The environment of a command: of the surroundings only what finds programs. */
function environmentOf(target: Target | undefined, env: RunOptions["env"] = {}): Record<string, string> {
  const server = target === undefined ? {} : { DURABLE_STREAM_URL: target.url, DURABLE_STREAM_TOKEN: target.apiKey };
  return {
    PATH: process.env["PATH"] ?? "",
    XDG_CONFIG_HOME: "/nonexistent",
    TERM: "xterm",
    TZ: "UTC",
    ...server,
    ...env,
  };
}

/** Runs a command to its end. */
export async function run(
  target: Target | undefined,
  args: readonly string[],
  { input = "", env }: RunOptions = {},
): Promise<Finished> {
  await using running = new Running(target, args, env);
  running.write(input);
  running.endInput();
  return await running.untilEnded();
}

/** Runs a command that must end with 0. @returns What it wrote to stdout, by lines of JSON. */
export async function rows<Row>(target: Target, args: readonly string[], options?: RunOptions): Promise<Row[]> {
  const { code, stdout, stderr } = await run(target, args, options);
  if (code !== 0) {
    throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`);
  }
  return stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Row]));
}

/** A command that runs. It does not outlive the test that disposes it. */
export class Running {
  readonly #child: ChildProcess;
  readonly #ended: Promise<Finished>;
  readonly #wakers = new Set<() => void>();
  stdout = "";
  stderr = "";

  constructor(target: Target | undefined, args: readonly string[], env?: RunOptions["env"], program = PROGRAM) {
    const [file, ...first] = program;
    this.#child = spawn(file, [...first, ...args], { env: environmentOf(target, env), stdio: "pipe" });
    this.#child.stdin?.on("error", () => undefined);
    this.#child.stdout?.on("data", (text: Buffer) => this.#take(() => (this.stdout += text.toString())));
    this.#child.stderr?.on("data", (text: Buffer) => this.#take(() => (this.stderr += text.toString())));
    this.#ended = once(this.#child, "close").then(([code]: (number | null)[]) => {
      this.#take(() => undefined);
      return { code: code ?? null, stdout: this.stdout, stderr: this.stderr };
    });
  }

  write(input: string | Uint8Array): void {
    this.#child.stdin?.write(input);
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  /** Stops reading what it writes, for good, as `head` does after its lines. */
  leave(): void {
    this.#child.stdout?.destroy();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until what it wrote fulfils a condition. */
  async until(isFulfilled: (running: Running) => boolean, what: string): Promise<void> {
    const late = delay(PATIENCE_MS, "late", { ref: false });
    while (!isFulfilled(this)) {
      const woken = new Promise<void>((resolve) => this.#wakers.add(resolve));
      if (this.#child.exitCode !== null || (await Promise.race([woken, late])) === "late") {
        throw new Error(`waited in vain for ${what}; it wrote:\n${this.stdout}\n${this.stderr}`);
      }
    }
  }

  async untilEnded(): Promise<Finished> {
    const finished = await Promise.race([this.#ended, delay(PATIENCE_MS, undefined, { ref: false })]);
    if (finished === undefined) {
      throw new Error(`it did not end; it wrote:\n${this.stdout}\n${this.stderr}`);
    }
    return finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #take(change: () => void): void {
    change();
    this.#wakers.forEach((wake) => wake());
    this.#wakers.clear();
  }
}
