import { closeAll } from "../driver/driver.ts";
import type { Connection, Driver } from "../driver/driver.ts";
import { affordable, Counter, DATA, CEILING, RAW, RAW_READS, scaled, tried, withStream } from "./workload.ts";
import type { Place, Workload } from "./workload.ts";

type Shape = { followers: number; open: number; count: number };

/** Sockets that are opened at a time. */
const CONNECTING = 50;
/** Messages of a warm-up in which they are one at a time. */
const ONE_AT_A_TIME = 20;

export const FAN_OUT_WORKLOADS: readonly Workload[] = [
  shaped("fan-out to 100, saturated", { followers: 100, open: 4_096, count: 20_000 }),
  shaped("fan-out to 1,000, saturated", { followers: 1_000, open: 4_096, count: 4_000 }),
  shaped("fan-out to 100, one at a time", { followers: 100, open: 1, count: 1_000 }),
  shaped("fan-out to 1,000, one at a time", { followers: 1_000, open: 1, count: 200 }),
];

function shaped(name: string, shape: Shape): Workload {
  return {
    name,
    unit: "deliveries/s",
    needs: "follower",
    // One at a time a batch is a frame, so that would be the same again.
    ways: shape.open === 1 ? [...RAW_READS, CEILING] : RAW,
    run: (place) => withStream(place, () => fanOut(place, shape)),
  };
}

/** From the first publish until every follower has had every message. */
async function fanOut({ driver, meter, stream, scale }: Place, { followers, open, count }: Shape) {
  const counter = new Counter();
  const publisher = await driver.publisher([stream], DATA);
  const publish = async (wanted: number) => {
    const published = await publisher.publish(wanted, open);
    await counter.next(published * followers);
    return published * followers;
  };
  const following = await followAll(
    driver,
    Array.from({ length: followers }, () => stream),
    counter,
  );
  try {
    const wanted = scaled(count, scale, 10);
    await publish(Math.min(wanted, open === 1 ? ONE_AT_A_TIME : 100));
    const trial = await tried(() => publish(Math.ceil(wanted / 10)));
    const deliveries = affordable(wanted * followers, scale, trial);
    return await meter.measure(() => publish(Math.ceil(deliveries / followers)));
  } finally {
    await closeAll([publisher, ...following]);
  }
}

/** A follower for each of the streams given. */
export async function followAll(driver: Driver, streams: readonly string[], counter: Counter): Promise<Connection[]> {
  const connections: Connection[] = [];
  for (let at = 0; at < streams.length; at += CONNECTING) {
    const some = streams.slice(at, at + CONNECTING);
    const opened = some.map(async (stream) => driver.follower?.(stream, "new", counter.add));
    connections.push(...(await Promise.all(opened)).filter((each) => each !== undefined));
  }
  return connections;
}
