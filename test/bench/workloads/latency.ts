import { closeAll } from "../driver/driver.ts";
import { percentile } from "../driver/meter.ts";
import { DATA, READS, withStream } from "./workload.ts";
import type { Place, Workload } from "./workload.ts";

const EVERY_MS = 2;
const WARM_UP_MS = 1_000;
const PATIENCE_MS = 10_000;

export const LATENCY_WORKLOADS: readonly Workload[] = [
  {
    name: "publish to deliver at 500/s, p50",
    unit: "ms",
    needs: "follower",
    ways: READS,
    run: (place) => withStream(place, () => steady(place)),
  },
];

/** Messages leave at their times, whatever became of those before, so a server that stalls has the stall counted. */
async function steady({ driver, meter, stream, scale }: Place) {
  const publisher = await driver.publisher([stream], DATA);
  let dueAt: number[] = [];
  let latencies: number[] = [];
  let done = Promise.withResolvers<void>();
  let wanted = 0;
  const follower = await driver.follower?.(stream, "new", (count) => {
    const now = performance.now();
    for (let message = 0; message < count; message += 1) {
      latencies.push(now - (dueAt[latencies.length] ?? now));
    }
    if (latencies.length >= wanted) {
      done.resolve();
    }
  });
  const send = async (durationMs: number) => {
    [dueAt, latencies, done] = [[], [], Promise.withResolvers<void>()];
    wanted = Math.round(durationMs / EVERY_MS);
    const start = performance.now();
    const timer = setInterval(() => {
      while (dueAt.length < wanted && start + dueAt.length * EVERY_MS <= performance.now()) {
        // By the timer's own delay nothing of the server's is told, so it counts from now.
        dueAt.push(performance.now());
        publisher.post(dueAt.length - 1);
      }
    }, 1);
    const late = setTimeout(
      () => done.reject(new Error(`${latencies.length} of ${wanted} came`)),
      durationMs + PATIENCE_MS,
    );
    await done.promise.finally(() => {
      clearInterval(timer);
      clearTimeout(late);
    });
    return wanted;
  };
  try {
    await send(WARM_UP_MS);
    const outcome = await meter.measure(() => send(scale.seconds * 1000));
    const [p50, p99] = [percentile(latencies, 0.5), percentile(latencies, 0.99)];
    // The figure of the workload is the median of its latencies.
    return { ...outcome, p50, p99, figure: p50 };
  } finally {
    await closeAll(follower === undefined ? [publisher] : [publisher, follower]);
  }
}
