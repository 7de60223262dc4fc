import { closeAll } from "../driver/driver.ts";
import type { Publisher } from "../driver/driver.ts";
import { percentile } from "../driver/meter.ts";
import type { Outcome } from "../driver/meter.ts";
import { affordable, BARE, DATA, dataOf, RAW, scaled, tried } from "./workload.ts";
import type { Place, Workload } from "./workload.ts";

/** How many are published first, to see how many can be afforded. */
const FIRST = { least: 50, most: 500 };
/** Streams that are made or deleted at a time. */
const AT_A_TIME = 50;

type Shape = { publishers: number; open: number; count: number; data?: string; streams?: number };

export const PUBLISH_WORKLOADS: readonly Workload[] = [
  shaped("publish, one at a time", { publishers: 1, open: 1, count: 4_000 }),
  shaped("publish, 256 open", { publishers: 1, open: 256, count: 100_000 }),
  shaped("publish, 4,096 open", { publishers: 1, open: 4_096, count: 200_000 }),
  shaped("publish, 8 publishers, 256 open each", { publishers: 8, open: 256, count: 200_000 }),
  shaped("publish 1 KB, 256 open", { publishers: 1, open: 256, count: 50_000, data: dataOf(1_000) }),
  shaped("publish 10 KB, 256 open", { publishers: 1, open: 256, count: 10_000, data: dataOf(10_000) }),
  shaped("publish to 100 streams, 256 open", { publishers: 1, open: 256, count: 50_000, streams: 100 }),
  shaped("publish to 1,000 streams, 256 open", { publishers: 1, open: 256, count: 50_000, streams: 1_000 }),
];

function shaped(name: string, shape: Shape): Workload {
  return {
    name,
    unit: "messages/s",
    ways: waysOf(shape),
    run: async (place) => {
      const streams = Array.from({ length: shape.streams ?? 1 }, (_, index) => `${place.stream}-${index}`);
      await someAtATime(streams, place.driver.create);
      try {
        return await publishTo(streams, shape, place);
      } finally {
        await someAtATime(streams, place.driver.drop);
      }
    },
  };
}

/** A client only where clients are compared; a socket of a plain object is of one stream. */
function waysOf({ data, streams }: Shape): readonly string[] {
  if (streams !== undefined) {
    return RAW.filter((way) => way !== "one-row");
  }
  return data === undefined ? [...RAW, ...BARE, "client"] : RAW;
}

/** Publishes with a warm-up before. */
export async function publishTo(
  streams: readonly string[],
  shape: Shape,
  { driver, meter, scale }: Place,
): Promise<Outcome> {
  const { open, data = DATA } = shape;
  const publishers = await Promise.all(Array.from({ length: shape.publishers }, () => driver.publisher(streams, data)));
  try {
    const wanted = scaled(shape.count, scale, shape.publishers);
    const first = await tried(() =>
      publishAll(publishers, Math.max(FIRST.least, Math.min(open, FIRST.most), streams.length), open),
    );
    const warmUp = Math.min(wanted / 5, affordable(wanted, { ...scale, seconds: scale.seconds / 8 }, first));
    const trial = await tried(() => publishAll(publishers, warmUp, open));
    const count = affordable(wanted, scale, trial);
    const latencies: number[] | undefined = open === 1 ? [] : undefined;
    const before = repeatedBy(publishers);
    const outcome = await meter.measure(() => publishAll(publishers, count, open, latencies));
    const repeated = repeatedBy(publishers) - before;
    const [{ mostOpen = open } = {}] = publishers;
    return {
      ...outcome,
      ...(latencies === undefined ? {} : { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }),
      ...(repeated === 0 ? {} : { repeated }),
      ...(mostOpen < open ? { note: `the server takes ${mostOpen} open` } : {}),
    };
  } finally {
    await closeAll(publishers);
  }
}

async function publishAll(
  publishers: readonly Publisher[],
  count: number,
  open: number,
  latencies?: number[],
): Promise<number> {
  const each = Math.ceil(count / publishers.length);
  const counts = await Promise.all(publishers.map((publisher) => publisher.publish(each, open, latencies)));
  return counts.reduce((sum, one) => sum + one, 0);
}

function repeatedBy(publishers: readonly Publisher[]): number {
  return publishers.reduce((sum, publisher) => sum + publisher.repeated(), 0);
}

/** Some at a time, so that no server is given more at once than it takes. */
async function someAtATime<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += AT_A_TIME) {
    await Promise.all(items.slice(at, at + AT_A_TIME).map(work));
  }
}
