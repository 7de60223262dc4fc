/**
 * Prints what each case of {@link CASES}, and {@link FLOOR}, does to a server: `npx node test/e2e/bounds/print.ts [milliseconds] [cases, as in
 * 0,3] [told|untold] [clients, as in 1,20]`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { builtWorker } from "../../../scripts/server/build.ts";
import { Server } from "../server/server.ts";

import { CASES, FLOOR } from "./cases.ts";
import { measureDelays, measureGrowth } from "./measure.ts";

const [ms = "20000", chosen, bound = "told", numbers = "1,20"] = process.argv.slice(2);
const worker = await builtWorker();
const cases = [...CASES, FLOOR].filter(
  (_case, index) => chosen === undefined || chosen.split(",").includes(String(index)),
);
for (const given of cases) {
  for (const clients of numbers.split(",").map(Number)) {
    const load = { clients, ms: Number(ms) };
    const { grownMiB } = await on((server) => measureGrowth(server, given, load));
    const { alone, elsewhere, beside } = await on((server) =>
      on((other) => measureDelays({ server, other }, given, load)),
    );
    const p99 = `p99 ${alone.p99Ms} alone, ${elsewhere.p99Ms} elsewhere, ${beside.p99Ms} beside`;
    const first = `in the first second ${elsewhere.firstP99Ms} and ${beside.firstP99Ms}`;
    process.stdout.write(
      `${given.name}, ${clients} clients: +${grownMiB} MiB; honest ${p99}, ${first}; ${beside.missing} missing, ${beside.refused} refused of ${beside.acked + beside.refused}\n`,
    );
  }
}

/** Measures on a server of its own. */
async function on<Result>(measure: (server: Server) => Promise<Result>): Promise<Result> {
  const data = await mkdtemp(join(tmpdir(), "durable-stream-bounds-"));
  const server = new Server({ worker, data, vars: { BUFFERED_AMOUNT: bound }, isInspected: true });
  await server.start();
  try {
    return await measure(server);
  } finally {
    await server.kill9();
    await rm(data, { recursive: true, maxRetries: 3 });
  }
}
