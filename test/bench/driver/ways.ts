import { durableStreamClientDriver } from "./durable-stream-client.ts";
import { durableStreamDriver } from "./durable-stream.ts";
import type { DurableStreamEndpoint } from "./durable-stream.ts";
import type { Driver } from "./driver.ts";
import { natsDriver } from "./nats.ts";
import { redisDriver } from "./redis.ts";
import type { Address } from "./tcp.ts";

/** How a running system is reached; `modules` is the folder that its own client is installed in. */
export type Endpoint =
  | ({ readonly kind: "durable-stream" } & DurableStreamEndpoint)
  | ({ readonly kind: "redis" | "nats"; readonly modules?: string } & Address);

/** Every way to drive a system, by name, in the order of the table. */
export async function driversOf(endpoint: Endpoint): Promise<Map<string, Driver>> {
  if (endpoint.kind === "durable-stream") {
    const frames = await durableStreamDriver(endpoint, "frames");
    return new Map([
      ["frames", frames],
      ["batches", await durableStreamDriver(endpoint, "batches")],
      ["client", durableStreamClientDriver(endpoint, frames)],
    ]);
  }
  return new Map([["raw", endpoint.kind === "redis" ? redisDriver(endpoint) : natsDriver(endpoint)]]);
}
