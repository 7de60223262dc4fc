import { DATA, scaled } from "./workload.ts";
import type { Workload } from "./workload.ts";

const STORED = 1_000_000;

/** What the server is stopped and started between: a stream is filled, and published to again. */
export const RESTARTED: readonly [fill: Workload, first: Workload] = [
  {
    name: "restart: filling",
    unit: "ms",
    run: async ({ driver, meter, stream, scale }) => {
      const count = scaled(STORED, scale);
      await driver.create(stream);
      return meter.measure(() => driver.fill(stream, DATA, count).then(() => count));
    },
  },
  {
    name: "first publish to a stream of 1,000,000 after a restart",
    unit: "ms",
    run: async ({ driver, meter, stream }) => {
      const publisher = await driver.publisher([stream], DATA);
      try {
        return await meter.measure(() => publisher.publish(1, 1));
      } finally {
        await publisher.close();
      }
    },
  },
];
