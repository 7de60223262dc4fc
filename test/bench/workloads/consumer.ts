import { closeAll } from "../driver/driver.ts";
import type { Connection } from "../driver/driver.ts";
import { affordable, Counter, DATA, RAW_READS, scaled, tried } from "./workload.ts";
import type { Place, Workload } from "./workload.ts";

const WARM_UP = 2_000;

export const CONSUMER_WORKLOADS: readonly Workload[] = [
  shaped("consumer, 1 worker", 1),
  shaped("consumer, 8 workers", 8),
];

function shaped(name: string, workers: number): Workload {
  return {
    name,
    unit: "messages/s",
    needs: "worker",
    ways: RAW_READS,
    run: async (place) => {
      const { scale, stream } = place;
      const trial = await consume({ ...place, stream: `${stream}-trial` }, workers, WARM_UP, tried);
      const count = affordable(scaled(50_000, scale), scale, trial);
      return consume(place, workers, count, (work) => place.meter.measure(work));
    },
  };
}

/** Workers share what is stored already, each acks what it gets; until all is delivered. */
async function consume<T>(
  { driver, stream }: Place,
  workers: number,
  count: number,
  timed: (work: () => Promise<number>) => Promise<T>,
): Promise<T> {
  await driver.create(stream);
  const connections: Connection[] = [];
  try {
    await driver.createConsumer?.(stream);
    await driver.fill(stream, DATA, count);
    const counter = new Counter();
    return await timed(async () => {
      const opened = Array.from({ length: workers }, async () => driver.worker?.(stream, counter.add));
      connections.push(...(await Promise.all(opened)).filter((each) => each !== undefined));
      await counter.next(count);
      return count;
    });
  } finally {
    await closeAll(connections);
    await driver.drop(stream);
  }
}
