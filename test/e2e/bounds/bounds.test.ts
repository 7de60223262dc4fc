/**
 * No client fills the server: each way that once did, by one client that does not read and by twenty. What the runtime
 * tells bounds the sockets (`told`); where it does not, what the clients ack does (`untold`). `print.ts` tells the figures,
 * of any length.
 */
import { describe, expect } from "vitest";

import { test as base } from "../server/fixtures.ts";

import { CASES } from "./cases.ts";
import { measureGrowth } from "./measure.ts";

const MS = 1_500;

/**
 * What a server may grow, in MiB: some for what it makes of any load, and 4 MiB a socket, or 48 MiB of an isolate. 2,000
 * subscriptions, or connections, take memory by being there: as many connections as that which were answered a line each take
 * 60 to 100 MiB.
 */
const MOST_MIB = [
  { clients: 1, socket: 12, http: 30 },
  { clients: 20, socket: 120, http: 150 },
];

const BOUNDS = { told: {}, untold: { BUFFERED_AMOUNT: "untold" } };

describe.each(Object.entries(BOUNDS))("a server whose sockets are bounded as %s", (name, vars) => {
  // HTTP is bounded the same way in both.
  const cases = CASES.filter(({ over }) => over === "socket" || name === "told");
  const test = base.extend({ options: { vars, isInspected: true } });

  describe.each(MOST_MIB)("with $clients that do not read", ({ clients, ...most }) => {
    test.for(cases)("is not filled by $name", { timeout: 60_000 }, async (given, { server, annotate }) => {
      const { grownMiB, beside } = await measureGrowth(server, given, { clients, ms: MS });

      await annotate(`+${grownMiB} MiB`);
      expect(grownMiB).toBeLessThanOrEqual(most[given.over]);
      expect(beside.acked).toBeGreaterThan(0);
      expect(beside.missing).toBe(0);
    });
  });
});
