import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";

import { processesOf } from "./driver/processes.ts";
import type { Program } from "./peers/install.ts";
import type { Lane } from "./run.ts";
import type { Scale } from "./workloads/workload.ts";
import { TRACED, TRACED_PUBLISHES } from "./workloads/trace.ts";

/** Every call by which a Linux process makes sure that a file is on its disk. */
const CALLS = "fsync,fdatasync,sync_file_range,msync,syncfs,sync";
const ATTACH_MS = 1_000;
const WAY_PREFERENCE = ["frames", "one-row", "raw"];

/**
 * How many syncs a system makes for each acknowledged publish when they come one at a time, as the kernel sees it.
 *
 * @returns undefined when it could not be traced.
 */
export async function syncsPerPublish(lane: Lane, strace: Program | undefined): Promise<number | undefined> {
  if (strace === undefined) {
    return undefined;
  }
  try {
    const [few, many] = [await syncsOf(lane, strace, 0), await syncsOf(lane, strace, 1)];
    return Math.max(0, many - few) / TRACED_PUBLISHES;
  } catch {
    // Safe: the table says that it was not traced.
    return undefined;
  }
}

async function syncsOf({ driver, processGroup }: Lane, strace: Program, which: 0 | 1): Promise<number> {
  const pids = processesOf(processGroup).flatMap((pid) => ["-p", String(pid)]);
  const child = spawn(strace.path, ["-f", "-c", "-e", `trace=${CALLS}`, ...pids], {
    env: strace.env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(child, "exit");
  let output = "";
  child.stderr.on("data", (text: Buffer) => {
    output += text.toString();
  });
  await delay(ATTACH_MS);
  const scale: Scale = { share: 1, seconds: 10 };
  const way = WAY_PREFERENCE.find((each) => driver.ways.includes(each)) ?? "";
  const report = await driver.carryOut({ workload: TRACED[which].name, way, stream: `traced-${which}`, scale });
  if (child.exitCode !== null || !("outcome" in report)) {
    throw new Error(output);
  }
  child.kill("SIGINT");
  await exited;
  if (!output.includes("attached")) {
    throw new Error(output);
  }
  // Of a line `100.00    0.001234          12       200           fsync` the fourth column, which errors do not move.
  const counts = [...output.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/gm)];
  return counts.filter(([, , name]) => name !== "total").reduce((sum, [, calls]) => sum + Number(calls), 0);
}
