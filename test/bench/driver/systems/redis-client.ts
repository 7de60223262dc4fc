/** Redis Streams by ioredis. */
import type { Driver, Start } from "../driver.ts";
import { installed } from "../installed.ts";
import { manyAtATime } from "../many-at-a-time.ts";
import type { Address } from "../tcp.ts";

type Entry = [id: string, fields: string[]];

/** What is used of the client. */
type Redis = {
  xadd(key: string, ...words: string[]): Promise<string>;
  xread(...words: (string | number)[]): Promise<[key: string, entries: Entry[]][] | null>;
  xrevrange(key: string, ...words: (string | number)[]): Promise<Entry[]>;
  disconnect(): void;
};

const READ_COUNT = 1000;

/** @param raw Does what is not measured. */
export async function redisClientDriver(address: Address, modules: string, raw: Driver): Promise<Driver> {
  const { Redis } = await installed<{ Redis: new (options: Address) => Redis }>(modules, "ioredis");
  const connect = () => new Redis({ host: address.host, port: address.port });
  return {
    create: raw.create,
    drop: raw.drop,
    fill: raw.fill,
    async publisher(streams, data) {
      const redis = connect();
      const value: unknown = JSON.parse(data);
      const publish = (index: number) =>
        redis.xadd(streams[index % streams.length] ?? "", "*", "d", JSON.stringify(value));
      return {
        publish: (count, open, latencies) => manyAtATime({ count, open, latencies }, publish),
        post: (index) => void publish(index),
        repeated: () => 0,
        close: () => redis.disconnect(),
      };
    },
    async follower(stream, start, onMessages) {
      const redis = connect();
      let after = await startId(redis, stream, start);
      const read = async () => {
        for (;;) {
          const [[, entries] = ["", []]] =
            (await redis.xread("COUNT", READ_COUNT, "BLOCK", 0, "STREAMS", stream, after)) ?? [];
          for (const [id, [, text = ""]] of entries) {
            JSON.parse(text);
            after = id;
            onMessages(1);
          }
        }
      };
      // It ends with the connection.
      read().catch(() => undefined);
      return { close: () => redis.disconnect() };
    },
  };
}

async function startId(redis: Redis, stream: string, start: Start): Promise<string> {
  if (start === "first") {
    return "0";
  }
  const behind = start === "new" ? 0 : start.behind;
  const entries = await redis.xrevrange(stream, "+", "-", "COUNT", behind + 1);
  return entries[behind]?.[0] ?? "0";
}
