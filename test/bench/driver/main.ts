/** The process that drives one system; it is told what to do by {@link DriverProcess}, and ends with its parent. */
import { RESTARTED } from "../workloads/restart.ts";
import { TRACED } from "../workloads/trace.ts";
import { WORKLOADS } from "../workloads/workloads.ts";
import type { Scale } from "../workloads/workload.ts";
import type { Driver } from "./driver.ts";
import { Meter } from "./meter.ts";
import type { Outcome } from "./meter.ts";
import { driversOf } from "./ways.ts";
import type { Endpoint } from "./ways.ts";

/** What the process is told, as JSON in its only argument. */
export type DriverOptions = { endpoint: Endpoint; serverGroup: number };

/** One measure to make. */
export type Order = { workload: string; way: string; stream: string; scale: Scale };

/** What came of it; `skipped` when the way has no word for the workload. */
export type Report = { outcome: Outcome } | { skipped: true } | { failure: string };

process.once("disconnect", () => process.exit(0));

const { endpoint, serverGroup }: DriverOptions = JSON.parse(process.argv[2] ?? "");
const meter = new Meter(serverGroup);
const drivers = await driversOf(endpoint);
process.on("message", (order: Order) => void carryOut(order).then((report) => process.send?.(report)));
process.send?.({ ways: [...drivers.keys()] });

async function carryOut({ workload: name, way, stream, scale }: Order): Promise<Report> {
  const workload = [...WORKLOADS, ...TRACED, ...RESTARTED].find((each) => each.name === name);
  const driver: Driver | undefined = drivers.get(way);
  if (workload === undefined || driver === undefined) {
    return { failure: `there is no ${name} by ${way}` };
  }
  const { needs, ways } = workload;
  if ((needs !== undefined && driver[needs] === undefined) || ways?.includes(way) === false) {
    return { skipped: true };
  }
  try {
    return { outcome: await workload.run({ driver, meter, stream, scale }) };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}
