import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { DriverProcess } from "./driver/driver-process.ts";
import type { Report } from "./driver/main.ts";
import type { System } from "./peers/system.ts";
import type { Row } from "./report/results.ts";
import type { Plan } from "./run.ts";
import { RESTARTED } from "./workloads/restart.ts";
import type { Workload } from "./workloads/workload.ts";

const [FILL, FIRST] = RESTARTED;

/** Fills a stream, and in each round starts the server again and publishes to it. */
export async function measureRestart(system: System, { rounds, folder, scale, say }: Plan): Promise<Row> {
  const data = join(folder, `${system.name}-restart`);
  await mkdir(data, { recursive: true });
  const { name, unit } = FIRST;
  const row: Row = { workload: name, unit, system: system.name, way: "frames", outcomes: [], failures: [] };
  const life = async (workload: Workload): Promise<{ report: Report; startMs: number }> => {
    const start = performance.now();
    const { endpoint, processGroup, stop } = await system.start(data);
    const startMs = performance.now() - start;
    const driver = await DriverProcess.start({ endpoint, serverGroup: processGroup });
    try {
      return {
        report: await driver.carryOut({ workload: workload.name, way: "frames", stream: "restart", scale }),
        startMs,
      };
    } finally {
      await driver.stop();
      await stop();
    }
  };
  await life(FILL);
  for (let round = 1; round <= rounds; round += 1) {
    const { report, startMs } = await life(FIRST);
    if ("outcome" in report) {
      const note = `the server started in ${Math.round(startMs / 100) / 10} s`;
      row.outcomes.push(round === 1 ? { ...report.outcome, note } : report.outcome);
      say(`round ${round}: ${name}: ${report.outcome.ms.toFixed(1)} ms`);
    } else {
      row.failures.push("failure" in report ? report.failure : "skipped");
    }
  }
  return row;
}
