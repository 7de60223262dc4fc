import { readdirSync, readFileSync } from "node:fs";

/** Of Linux, by getconf CLK_TCK, which is 100 on every platform that Node.js runs on there. */
const TICK_MS = 10;
const PAGE_BYTES = 4096;

type ProcessStat = { pid: number; group: number; cpuMs: number; residentBytes: number };

/** The processor time of all processes of a group so far, in milliseconds; undefined where there is no /proc. */
export function cpuMsOf(group: number): number | undefined {
  return sumOf(group, ({ cpuMs }) => cpuMs);
}

/** The resident memory of all processes of a group; undefined where there is no /proc. */
export function residentBytesOf(group: number): number | undefined {
  return sumOf(group, ({ residentBytes }) => residentBytes);
}

/** The processes of a group. */
export function processesOf(group: number): number[] {
  return (readProcesses() ?? []).filter((each) => each.group === group).map(({ pid }) => pid);
}

function sumOf(group: number, value: (stat: ProcessStat) => number): number | undefined {
  return readProcesses()
    ?.filter((each) => each.group === group)
    .reduce((sum, each) => sum + value(each), 0);
}

/** From proc_pid_stat(5). */
function readProcesses(): ProcessStat[] | undefined {
  if (process.platform !== "linux") {
    return undefined;
  }
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) {
      return [];
    }
    const stat = readStat(name);
    // The name of the program may hold spaces and brackets; the fields after it do not.
    const fields = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [, , group = 0, , , , , , , , , userTicks = 0, systemTicks = 0] = fields;
    const residentBytes = (fields[21] ?? 0) * PAGE_BYTES;
    return [{ pid: Number(name), group, cpuMs: (userTicks + systemTicks) * TICK_MS, residentBytes }];
  });
}

function readStat(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    // Safe: it has ended since it was listed.
    return "";
  }
}
