import { join } from "node:path";

import { builtWorker } from "../../scripts/server/build.ts";
import { Server } from "../e2e/server/server.ts";
import { DriverProcess } from "./driver/driver-process.ts";
import type { Plan } from "./run.ts";

/** How often the sampler looks, in microseconds. */
const INTERVAL_US = 200;
/** Functions that are told, those with most time of their own first. */
const TOLD = 15;

type Profile = {
  nodes: { id: number; callFrame: { functionName: string; lineNumber: number } }[];
  samples: number[];
  timeDeltas: number[];
};

/**
 * Tells in which functions the server spends its time, workload by workload: V8's own sampler, by the inspector. What
 * is "(idle)" is not JavaScript: the runtime's own event loop and sockets, or a wait.
 */
export async function profileAll({ workloads, scale, folder, say }: Omit<Plan, "rounds">): Promise<string> {
  const data = join(folder, "data");
  const server = new Server({ worker: await builtWorker(), data, vars: { GATEWAY_SHARDS: "1" }, isInspected: true });
  await server.start();
  const endpoint = { kind: "durable-stream", url: server.url, apiKey: server.apiKey } as const;
  const driver = await DriverProcess.start({ endpoint, serverGroup: server.processGroup });
  const inspector = await server.inspector();
  await inspector.call("Profiler.enable");
  await inspector.call("Profiler.setSamplingInterval", { interval: INTERVAL_US });
  const tables: string[] = [];
  try {
    for (const workload of workloads) {
      for (const way of driver.ways.filter((one) => workload.ways?.includes(one) ?? true)) {
        say(`profiling ${workload.name}, ${way}`);
        const stream = `profile-${workloads.indexOf(workload)}-${way}`;
        await inspector.call("Profiler.start");
        const report = await driver.carryOut({ workload: workload.name, way, stream, scale });
        const { profile } = await inspector.call<{ profile: Profile }>("Profiler.stop");
        if (!("skipped" in report)) {
          tables.push(tableOf(`${workload.name}, ${way}`, profile));
        }
      }
    }
  } finally {
    inspector.close();
    await driver.stop();
    await server.stop();
  }
  return tables.join("\n");
}

/** The shares of a profile, the largest first. */
function tableOf(title: string, { nodes, samples, timeDeltas }: Profile): string {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, lineNumber } }) => [
      id,
      lineNumber < 0 ? functionName || "(a function)" : `${functionName || "(a function)"}, line ${lineNumber + 1}`,
    ]),
  );
  const times = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? "(unknown)";
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  }
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  const largest = [...times].toSorted(([, a], [, b]) => b - a).slice(0, TOLD);
  const lines = largest.map(([name, time]) => `${((100 * time) / total).toFixed(1).padStart(7)} %  ${name}`);
  return [title, ...lines, ""].join("\n");
}
