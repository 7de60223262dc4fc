/** The process of the clients of a case: what they send and read must not slow the honest ones down, which are timed. */
import { CASES, FLOOR } from "./cases.ts";
import type { ClientsOptions } from "./measure.ts";

process.send?.("ready");
process.on("message", ({ name, target, clients, isUnread }: ClientsOptions) => {
  // It ends with the process, which the measurement kills.
  const way = { signal: new AbortController().signal, isUnread };
  for (let client = 0; client < clients; client += 1) {
    void [...CASES, FLOOR].find((one) => one.name === name)?.run(target, way);
  }
  process.send?.("begun");
});
