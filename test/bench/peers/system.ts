import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import type { Endpoint } from "../driver/ways.ts";
import type { Program } from "./install.ts";

/** A server that can be measured. */
export type System = {
  /** How it is chosen: `redis-always`. */
  readonly name: string;
  /** For a chart. */
  readonly label: string;
  readonly title: string;
  /** What it promises of an acknowledged message, in its own settings. */
  readonly durability: string;
  /** @param folder Empty; it holds all that the server stores. */
  readonly start: (folder: string) => Promise<RunningSystem>;
};

type RunningSystem = {
  readonly endpoint: Endpoint;
  /** Of all its processes. */
  readonly processGroup: number;
  readonly stop: () => Promise<void>;
};

const KEEPER = join(import.meta.dirname, "../../e2e/server/group-keeper.ts");
const START_MS = 20_000;

/** Starts a program in a process group of its own, which does not outlive this process; done when its port is open. */
export async function startProgram(
  { path, env }: Pick<Program, "path" | "env">,
  flags: readonly string[],
  port: number,
): Promise<{ processGroup: number; stop: () => Promise<void> }> {
  const child = spawn(path, flags, { env, detached: true, stdio: ["ignore", "ignore", "ignore"] });
  await once(child, "spawn");
  const { pid } = child;
  if (pid === undefined) {
    throw new Error(`${path} did not start`);
  }
  const keeper = fork(KEEPER, [String(pid)], { detached: true, execArgv: [], stdio: "ignore" });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      process.kill(-pid, "SIGKILL");
      await exited;
    }
    keeper.kill("SIGKILL");
  };
  const deadline = Date.now() + START_MS;
  while (!(await isOpen(port))) {
    if (Date.now() > deadline || child.exitCode !== null) {
      await stop();
      throw new Error(`${path} does not listen`);
    }
    await delay(20);
  }
  return { processGroup: pid, stop };
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
