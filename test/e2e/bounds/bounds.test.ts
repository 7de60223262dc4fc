/**
 * No client fills the server: each way that once did, by one client that does not read and by twenty. What the runtime
 * tells bounds the sockets, and what a client has acked at first (`told`); where it does not, what the clients ack does
 * (`untold`); and what it tells is enough without acks (`alone`). `print.ts` tells the figures, of any length.
 */
import { describe, expect } from "vitest";

import { test as base } from "../server/fixtures.ts";

import { CASES } from "./cases.ts";
import type { BoundsCase } from "./cases.ts";
import { measureGrowth } from "./measure.ts";

const MS = 1_500;

/** What a server may hold for each socket, in MiB: 3 are bounded, and it is measured to some MiB only. */
const HELD_MIB = 6;

/**
 * What a server may grow, in MiB. Of sockets that is what it holds, of all of them half of the 48 MiB of an isolate, and
 * answers that are being made, some MiB each; of HTTP a third of it. Two thousand connections take memory by being there: as
 * many that were answered a line each take 60 to 100 MiB.
 */
const MOST_MIB = [
  { clients: 1, socket: 25, http: 25 },
  { clients: 20, socket: 100, http: 130 },
];

/** HTTP is bounded the same way in all of them, and no answers by acks. */
const BOUNDS = [
  { name: "told", vars: {}, isBound: () => true },
  { name: "untold", vars: { BUFFERED_AMOUNT: "untold" }, isBound: ({ over }: BoundsCase) => over === "socket" },
  { name: "alone", vars: { BUFFERED_AMOUNT: "alone" }, isBound: (one: BoundsCase) => one.hasSubscriptions === true },
];

describe.each(BOUNDS)("a server whose sockets are bounded as $name", ({ vars, isBound }) => {
  const cases = CASES.filter(isBound);
  const test = base.extend({ options: { vars, isInspected: true } });

  describe.each(MOST_MIB)("with $clients that do not read", ({ clients, ...most }) => {
    test.for(cases)("is not filled by $name", { timeout: 60_000 }, async (given, { server, annotate }) => {
      const { grownMiB, heldMiB, beside } = await measureGrowth(server, given, { clients, ms: MS });

      await annotate(`+${heldMiB} MiB, at most ${grownMiB}`);
      expect(grownMiB).toBeLessThanOrEqual(most[given.over]);
      if (given.over === "socket") {
        expect(heldMiB).toBeLessThanOrEqual(clients * HELD_MIB);
      }
      expect(beside.acked).toBeGreaterThan(0);
      expect(beside.missing).toBe(0);
    });
  });
});
