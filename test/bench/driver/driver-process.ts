import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import type { DriverOptions, Order, Report } from "./main.ts";

/** The process that drives one system. It is another than that of the server, and tells how much it needed itself. */
export class DriverProcess {
  readonly #process: ChildProcess;
  /** The ways to drive the system. */
  readonly ways: readonly string[];

  private constructor(child: ChildProcess, ways: readonly string[]) {
    this.#process = child;
    this.ways = ways;
  }

  static async start(options: DriverOptions): Promise<DriverProcess> {
    const child = fork(join(import.meta.dirname, "main.ts"), [JSON.stringify(options)], {
      execArgv: process.execArgv,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const { ways } = (await answerOf(child)) as { ways: string[] };
    return new DriverProcess(child, ways);
  }

  async carryOut(order: Order): Promise<Report> {
    this.#process.send(order);
    return (await answerOf(this.#process)) as Report;
  }

  async stop(): Promise<void> {
    if (this.#process.connected) {
      const exited = once(this.#process, "exit");
      this.#process.disconnect();
      await exited;
    }
  }
}

/** The next thing that the process says. */
async function answerOf(child: ChildProcess): Promise<unknown> {
  const settled = new AbortController();
  const { signal } = settled;
  try {
    const [answer]: unknown[] = await Promise.race([
      once(child, "message", { signal }),
      once(child, "exit", { signal }).then(() => {
        throw new Error("the driver's process ended");
      }),
    ]);
    return answer;
  } finally {
    // Whichever lost the race: nobody waits for it any more.
    settled.abort();
  }
}
