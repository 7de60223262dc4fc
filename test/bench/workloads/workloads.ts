import { CATCH_UP_WORKLOADS } from "./catch-up.ts";
import { CONSUMER_WORKLOADS } from "./consumer.ts";
import { FAN_OUT_WORKLOADS } from "./fan-out.ts";
import { GROWTH_WORKLOADS } from "./growth.ts";
import { LATENCY_WORKLOADS } from "./latency.ts";
import { MEMORY_WORKLOADS } from "./memory.ts";
import { PUBLISH_WORKLOADS } from "./publish.ts";
import type { Workload } from "./workload.ts";

/** All of them, in the order of the table. */
export const WORKLOADS: readonly Workload[] = [
  ...PUBLISH_WORKLOADS,
  ...FAN_OUT_WORKLOADS,
  ...CATCH_UP_WORKLOADS,
  ...LATENCY_WORKLOADS,
  ...CONSUMER_WORKLOADS,
  ...GROWTH_WORKLOADS,
  ...MEMORY_WORKLOADS,
];
