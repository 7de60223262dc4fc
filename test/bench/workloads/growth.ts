import type { Driver } from "../driver/driver.ts";
import { catchUp } from "./catch-up.ts";
import { publishTo } from "./publish.ts";
import { affordable, DATA, RAW, RAW_READS, scaled, tried } from "./workload.ts";
import type { Place, Workload } from "./workload.ts";

/** A stream that takes longer to fill is not measured. */
const FILL_SECONDS = 60;
const TRIAL = 5_000;

type Stocked = { stream: string; stored: number };

/** Streams that were filled once, for all rounds. */
const stocked = new WeakMap<Driver, Map<number, Stocked>>();

const SIZES = [10_000, 1_000_000];

export const GROWTH_WORKLOADS: readonly Workload[] = SIZES.flatMap((size): Workload[] => [
  {
    name: `subscribe at ${size.toLocaleString("en-US")} stored: 200 clients, each 100 behind`,
    unit: "ms",
    needs: "hasPositions",
    ways: RAW_READS,
    run: async (place) => {
      const stock = await stockedWith(place, size);
      const there = { ...place, stream: stock.stream };
      const start = { behind: 100, stored: stock.stored };
      await catchUp(there, { clients: 20, start });
      return catchUp(there, { clients: scaled(200, place.scale, 20), start });
    },
  },
  {
    name: `publish at ${size.toLocaleString("en-US")} stored, 256 open`,
    unit: "messages/s",
    ways: RAW,
    run: async (place) => {
      const stock = await stockedWith(place, size);
      const shape = { publishers: 1, open: 256, count: 50_000 };
      // It grows by what is published, so it is filled anew.
      stocked.get(place.driver)?.delete(size);
      try {
        return await publishTo([stock.stream], shape, place);
      } finally {
        await place.driver.drop(stock.stream);
      }
    },
  },
]);

/** A stream that holds so many messages. */
async function stockedWith({ driver, stream, scale }: Place, size: number): Promise<Stocked> {
  const known = stocked.get(driver)?.get(size);
  if (known !== undefined) {
    return known;
  }
  const stock = { stream: `${stream}-${size}`, stored: scaled(size, scale, TRIAL) };
  await driver.create(stock.stream);
  const trial = await tried(() => driver.fill(stock.stream, DATA, TRIAL).then(() => TRIAL));
  if (affordable(stock.stored, { ...scale, seconds: FILL_SECONDS }, trial) < stock.stored) {
    await driver.drop(stock.stream);
    throw new Error(`to store ${stock.stored} messages would take more than ${FILL_SECONDS} s`);
  }
  await driver.fill(stock.stream, DATA, Math.max(0, stock.stored - TRIAL));
  const ofDriver = stocked.get(driver) ?? new Map<number, Stocked>();
  stocked.set(driver, ofDriver.set(size, stock));
  return stock;
}
