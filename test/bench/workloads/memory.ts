import { setTimeout as delay } from "node:timers/promises";

import { closeAll } from "../driver/driver.ts";
import type { Connection } from "../driver/driver.ts";
import type { Outcome } from "../driver/meter.ts";
import { residentBytesOf } from "../driver/processes.ts";
import { followAll } from "./fan-out.ts";
import { Counter, RAW_READS, scaled, withStream } from "./workload.ts";
import type { Place, Workload } from "./workload.ts";

/** So that what is made for the first sockets is not counted. */
const WARM_UP = 100;
const SETTLE_MS = 1_000;

export const MEMORY_WORKLOADS: readonly Workload[] = [
  {
    name: "memory of an idle socket",
    unit: "bytes",
    isFresh: true,
    needs: "idle",
    ways: RAW_READS,
    run: (place) =>
      perConnection(place, async (count) => {
        const connections: Connection[] = [];
        for (let opened = 0; opened < count; opened += 1) {
          const connection = await place.driver.idle?.();
          connections.push(...(connection === undefined ? [] : [connection]));
        }
        return connections;
      }),
  },
  {
    name: "memory of a follower",
    unit: "bytes",
    isFresh: true,
    needs: "follower",
    ways: RAW_READS,
    run: (place) =>
      withStream(place, () =>
        perConnection(place, (count) =>
          followAll(
            place.driver,
            Array.from({ length: count }, () => place.stream),
            new Counter(),
          ),
        ),
      ),
  },
];

/** What the resident memory of the server grows by with each connection. */
async function perConnection(
  { meter, scale }: Place,
  open: (count: number) => Promise<Connection[]>,
): Promise<Outcome> {
  const count = scaled(1_000, scale, 200);
  const connections = await open(WARM_UP);
  try {
    await delay(SETTLE_MS);
    const before = residentBytesOf(meter.serverGroup);
    const outcome = await meter.measure(async () => {
      connections.push(...(await open(count)));
      return count;
    });
    await delay(SETTLE_MS);
    const after = residentBytesOf(meter.serverGroup);
    if (before === undefined || after === undefined) {
      throw new Error("this system does not tell a process's memory");
    }
    return { ...outcome, figure: Math.max(0, after - before) / count };
  } finally {
    await closeAll(connections);
  }
}
