import { DATA, withStream } from "./workload.ts";
import type { Workload } from "./workload.ts";

/** Not in the table: so many publishes, one at a time, while the calls of the server's processes are counted. */
export const TRACED: readonly [few: Workload, many: Workload] = [traced(20), traced(220)];
/** How many more publishes the second has. What else a run costs, both have. */
export const TRACED_PUBLISHES = 200;

function traced(count: number): Workload {
  return {
    name: `traced publishes: ${count}`,
    unit: "messages/s",
    run: ({ driver, meter, ...place }) =>
      withStream({ driver, meter, ...place }, async () => {
        const publisher = await driver.publisher([place.stream], DATA);
        try {
          return await meter.measure(() => publisher.publish(count, 1));
        } finally {
          await publisher.close();
        }
      }),
  };
}
