import type { Driver } from "../driver/driver.ts";
import { catchUp } from "./catch-up.ts";
import { publishTo } from "./publish.ts";
import { affordable, DATA, RAW, RAW_READS, scaled, tried } from "./workload.ts";
import type { Place, Workload } from "./workload.ts";

/** A stream that takes longer to fill is not measured. */
const FILL_SECONDS = 60;
const TRIAL = 5_000;

/** A stream is filled anew when it may hold so much more than it should. */
const GROWN = 1.2;

type Stocked = { readonly stream: string; readonly stored: number; grownBy: number };

/** What a stream is filled for: one that is published to grows. */
type Purpose = "to publish to" | "to read";

/** Streams that were filled once, for all rounds. */
const stocked = new WeakMap<Driver, Map<string, Stocked>>();

const SIZES = [10_000, 1_000_000];

export const GROWTH_WORKLOADS: readonly Workload[] = SIZES.flatMap((size): Workload[] => [
  {
    name: `subscribe at ${size.toLocaleString("en-US")} stored: 200 clients, each 100 behind`,
    unit: "ms",
    needs: "hasPositions",
    ways: RAW_READS,
    run: async (place) => {
      const stock = await stockedWith(place, size, "to read");
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
      const stock = await stockedWith(place, size, "to publish to");
      const shape = { publishers: 1, open: 256, count: 50_000 };
      try {
        return await publishTo([stock.stream], shape, place);
      } finally {
        stock.grownBy += shape.count;
        if (stock.stored + stock.grownBy > stock.stored * GROWN) {
          stocked.get(place.driver)?.delete(keyOf(size, "to publish to"));
          await place.driver.drop(stock.stream);
        }
      }
    },
  },
]);

function keyOf(size: number, purpose: Purpose): string {
  return `${size} ${purpose}`;
}

/** A stream that holds so many messages. */
async function stockedWith({ driver, stream, scale }: Place, size: number, purpose: Purpose): Promise<Stocked> {
  const known = stocked.get(driver)?.get(keyOf(size, purpose));
  if (known !== undefined) {
    return known;
  }
  const stock = { stream: `${stream}-${size}`, stored: scaled(size, scale, TRIAL), grownBy: 0 };
  await driver.create(stock.stream);
  const trial = await tried(() => driver.fill(stock.stream, DATA, TRIAL).then(() => TRIAL));
  if (affordable(stock.stored, { ...scale, seconds: FILL_SECONDS }, trial) < stock.stored) {
    await driver.drop(stock.stream);
    throw new Error(`to store ${stock.stored} messages would take more than ${FILL_SECONDS} s`);
  }
  await driver.fill(stock.stream, DATA, Math.max(0, stock.stored - TRIAL));
  const ofDriver = stocked.get(driver) ?? new Map<string, Stocked>();
  stocked.set(driver, ofDriver.set(keyOf(size, purpose), stock));
  return stock;
}
