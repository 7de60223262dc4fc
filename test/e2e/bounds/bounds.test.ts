/**
 * No client fills the server: each way that once did, by twenty clients that do not read. What the runtime tells bounds
 * the sockets (`told`); where it does not, what the clients ack does (`untold`). `print.ts` tells the figures, of any
 * length.
 */
import { describe, expect } from "vitest";

import { test as base } from "../server/fixtures.ts";

import { CASES } from "./cases.ts";
import { measure } from "./measure.ts";

const MS = 1_500;
const CLIENTS = 20;
/** Two thousand connections take as much themselves as what is held for them. */
const CLIENTS_BY_HTTP = 1;
/**
 * What a server may grow in all. Resident memory has what V8 has not collected yet, as much again on a busy machine, and
 * the connections: without bounds it is half a gigabyte in as little time, or the server dies.
 */
const MOST_MIB = 400;

const BOUNDS = { told: {}, untold: { BUFFERED_AMOUNT: "untold" } };

describe.each(Object.entries(BOUNDS))("a server whose sockets are bounded as %s", (name, vars) => {
  // HTTP is bounded the same way in both.
  const cases = CASES.filter(({ over }) => over === "socket" || name === "told");
  const test = base.extend({ options: { vars } });

  test.for(cases)("is not filled by $name", { timeout: 60_000 }, async (given, { server, annotate }) => {
    const clients = given.over === "http" ? CLIENTS_BY_HTTP : CLIENTS;
    const { grownMiB, alone, beside } = await measure(server, given, { clients, ms: MS });

    await annotate(`+${grownMiB} MiB, honest clients' p99 ${alone.p99Ms} ms alone, ${beside.p99Ms} ms beside it`);
    expect(grownMiB).toBeLessThanOrEqual(MOST_MIB);
    expect(beside.acked).toBeGreaterThan(0);
    expect(beside.missing).toBe(0);
  });
});
