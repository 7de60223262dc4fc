import { readFileSync } from "node:fs";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Calls `stop` for each signal to end, and when who started this process is gone, be it npm or a process that forked it.
 *
 * @param script Its name in npm.
 */
export function onStop(script: string, stop: () => void): void {
  for (const signal of SIGNALS) {
    process.on(signal, stop);
  }
  process.once("disconnect", stop);
  // Listening to it would keep this process.
  process.channel?.unref();
  whenNpmIsGone(script, stop);
}

/**
 * Under npm the parent of this process is a shell, and where that is dash it does not pass on the SIGTERM that ends it,
 * nor does it end when npm does. Another parent, or another one of the shell, is the sign that npm is gone.
 */
function whenNpmIsGone(script: string, stop: () => void): void {
  if (process.env["npm_lifecycle_event"] !== script) {
    return;
  }
  const parents = parentsOfThis();
  const timer = setInterval(() => {
    if (parentsOfThis() !== parents) {
      clearInterval(timer);
      stop();
    }
  }, 200);
  timer.unref();
}

/** This process's parent and, where there is /proc to tell it, the parent's (proc_pid_stat(5)). */
function parentsOfThis(): string {
  const parent = process.ppid;
  try {
    const [, grandparent] = /^\d+ \(.*\) \S (\d+) /s.exec(readFileSync(`/proc/${parent}/stat`, "utf8")) ?? [];
    return `${parent} ${grandparent}`;
  } catch {
    // Safe: then the parent alone has to tell.
    return String(parent);
  }
}
