import { durableStreamClientDriver } from "./systems/durable-stream-client.ts";
import { durableStreamDriver } from "./systems/durable-stream.ts";
import type { DurableStreamEndpoint } from "./systems/durable-stream.ts";
import { durableStreamsDriver } from "./systems/durable-streams.ts";
import type { Driver } from "./driver.ts";
import { natsClientDriver } from "./systems/nats-client.ts";
import { natsDriver } from "./systems/nats.ts";
import { bareDesignDriver, plainObjectDriver } from "./systems/plain-objects.ts";
import { redisClientDriver } from "./systems/redis-client.ts";
import { redisDriver } from "./systems/redis.ts";
import type { Address } from "./tcp.ts";

/** How a running system is reached; `modules` is the folder that its own client is installed in. */
export type Endpoint =
  | ({ readonly kind: "durable-stream" } & DurableStreamEndpoint)
  | { readonly kind: "plain-objects"; readonly url: string }
  | ({ readonly kind: "redis" | "nats"; readonly modules?: string } & Address)
  | ({ readonly kind: "durable-streams" } & Address);

/** Every way to drive a system, by name, in the order of the table. */
export async function driversOf(endpoint: Endpoint): Promise<Map<string, Driver>> {
  const { kind } = endpoint;
  if (kind === "durable-stream") {
    const frames = await durableStreamDriver(endpoint, "frames");
    return new Map([
      ["frames", frames],
      ["batches", await durableStreamDriver(endpoint, "batches")],
      ["client", durableStreamClientDriver(endpoint, frames)],
    ]);
  }
  if (kind === "plain-objects") {
    return new Map([
      ["one-row", plainObjectDriver(endpoint.url, "one-row")],
      ["ceiling", plainObjectDriver(endpoint.url, "ceiling")],
      ["bare", bareDesignDriver(endpoint.url, 1)],
      ["bare-batches", bareDesignDriver(endpoint.url, 256)],
    ]);
  }
  if (kind === "durable-streams") {
    return new Map([["raw", durableStreamsDriver(endpoint)]]);
  }
  const raw = kind === "redis" ? redisDriver(endpoint) : natsDriver(endpoint);
  const { modules } = endpoint;
  const drivers = new Map([["raw", raw]]);
  if (modules !== undefined) {
    const byClient = kind === "redis" ? redisClientDriver : natsClientDriver;
    drivers.set("client", await byClient(endpoint, modules, raw));
  }
  return drivers;
}
