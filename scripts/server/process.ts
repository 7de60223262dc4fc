/** A server in a process group of its own: how it is started and ended by the process that wants it. */
import { fork } from "node:child_process";
import type { ChildProcess, StdioOptions } from "node:child_process";
import { once } from "node:events";

import type { ServeOptions } from "./options.ts";

const START_MS = 30_000;

/** What the process says first: the port it listens on, or why it does not. */
export type ServerProcessMessage = { port: number } | { error: string };

/** A program that calls `serveParent`, as the leader of a group: one signal reaches workerd too, and Ctrl-C does not. */
export function forkServer(program: string, options: ServeOptions, output: "inherit" | "pipe"): ChildProcess {
  const stdio: StdioOptions = ["ignore", output, output, "ipc"];
  const child = fork(program, [], { detached: true, execArgv: [], stdio });
  // By message, because every process of this machine can read arguments.
  child.send(options);
  return child;
}

/** The port that the server listens on, as soon as it does. */
export function whenListening(child: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const late = setTimeout(() => reject(new Error(`no server after ${START_MS / 1_000} s`)), START_MS);
  child.once("message", (message: ServerProcessMessage) => {
    if ("error" in message) {
      reject(new Error(message.error));
    } else {
      resolve(message.port);
    }
  });
  void whenExited(child).then(() => reject(new Error("the server process ended")));
  return promise.finally(() => clearTimeout(late));
}

/** Waits until the process has ended. */
export async function whenExited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    await once(child, "exit");
  }
}

/** Ends a process group like a crash: SIGKILL to all its processes at once. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Safe: there is no such group any more.
  }
}
