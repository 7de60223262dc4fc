import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import type { DriverOptions, Order, Report } from "./main.ts";

/** A measure that takes longer is given up: longer than to fill the largest stream. */
const PATIENCE_MS = 45_000;

/** The process that drives one system. It is another than that of the server, and tells how much it needed itself. */
export class DriverProcess {
  readonly #options: DriverOptions;
  #process: ChildProcess;
  /** The ways to drive the system. */
  readonly ways: readonly string[];

  private constructor(options: DriverOptions, { child, ways }: Started) {
    this.#options = options;
    this.#process = child;
    this.ways = ways;
  }

  static async start(options: DriverOptions): Promise<DriverProcess> {
    return new DriverProcess(options, await startProcess(options));
  }

  /** Makes a measure. One that hangs ends with its process, and the next one has a new process. */
  async carryOut(order: Order): Promise<Report> {
    this.#process.send(order);
    try {
      return (await answerOf(this.#process)) as Report;
    } catch (error) {
      await this.stop();
      this.#process = (await startProcess(this.#options)).child;
      return { failure: error instanceof Error ? error.message : String(error) };
    }
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    }
  }
}

type Started = { child: ChildProcess; ways: readonly string[] };

async function startProcess(options: DriverOptions): Promise<Started> {
  const child = fork(join(import.meta.dirname, "main.ts"), [JSON.stringify(options)], {
    execArgv: process.execArgv,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const { ways } = (await answerOf(child)) as { ways: string[] };
  return { child, ways };
}

/** The next thing that the process says. */
async function answerOf(child: ChildProcess): Promise<unknown> {
  const settled = new AbortController();
  const { signal } = settled;
  const timer = setTimeout(() => settled.abort(), PATIENCE_MS);
  try {
    const [answer]: unknown[] = await Promise.race([
      once(child, "message", { signal }),
      once(child, "exit", { signal }).then(() => {
        throw new Error("the driver's process ended");
      }),
    ]);
    return answer;
  } catch (error) {
    throw signal.aborted ? new Error(`it took more than ${PATIENCE_MS / 1000} s`, { cause: error }) : error;
  } finally {
    clearTimeout(timer);
    // Whichever lost the race: nobody waits for it any more.
    settled.abort();
  }
}
