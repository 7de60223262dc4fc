import { closeAll } from "../driver/driver.ts";
import type { Connection, Driver, Start } from "../driver/driver.ts";
import type { Outcome } from "../driver/meter.ts";
import { Counter, DATA, RAW_READS, READS, scaled, withStream } from "./workload.ts";
import type { Place, Workload } from "./workload.ts";

/** Sockets that clients open at a time: as many come back at once after a restart. */
const CONNECTING = 50;
const REPLAYED = 100_000;
/** How far each client that resumes is behind. */
const BEHIND = 100;

export const CATCH_UP_WORKLOADS: readonly Workload[] = [
  {
    name: "replay of 100,000",
    unit: "messages/s",
    needs: "follower",
    ways: READS,
    run: (place) =>
      withStream(place, async () => {
        const stored = scaled(REPLAYED, place.scale);
        await place.driver.fill(place.stream, DATA, stored);
        await catchUp(place, { clients: 1, start: "first", behind: Math.ceil(stored / 5) });
        return catchUp(place, { clients: 1, start: "first", behind: stored });
      }),
  },
  {
    name: "resume of 1,000 clients, each 100 behind",
    unit: "ms",
    needs: "hasPositions",
    ways: RAW_READS,
    run: (place) =>
      withStream(place, async () => {
        const stored = 10_000;
        await place.driver.fill(place.stream, DATA, stored);
        await catchUp(place, { clients: 20, start: { behind: BEHIND, stored } });
        return catchUp(place, { clients: scaled(1_000, place.scale), start: { behind: BEHIND, stored } });
      }),
  },
];

type CatchUp = { clients: number; start: Start; behind?: number };

/** Connects clients and waits until each has all that it missed; counted are the messages. */
export async function catchUp({ driver, meter, stream }: Place, { clients, start, behind }: CatchUp): Promise<Outcome> {
  const each = behind ?? (typeof start === "string" ? 0 : start.behind);
  const connections: Connection[] = [];
  const counter = new Counter();
  try {
    return await meter.measure(async () => {
      await Promise.all(
        Array.from({ length: Math.min(CONNECTING, clients) }, () => connectMore(driver, stream, clients)),
      );
      await counter.next(clients * each);
      return clients * each;
    });
  } finally {
    await closeAll(connections);
  }

  async function connectMore(from: Driver, name: string, most: number): Promise<void> {
    for (let begun = connections.length; begun < most; begun = connections.length) {
      const follower = from.follower?.(name, start, counter.add);
      const place = connections.push({ close: () => undefined }) - 1;
      const connection = await follower;
      if (connection !== undefined) {
        connections[place] = connection;
      }
    }
  }
}
