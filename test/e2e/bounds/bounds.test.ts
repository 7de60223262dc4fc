/**
 * No client fills the server: each way that once did, by one client that does not read and by twenty. What the runtime
 * tells bounds the sockets (`told`); where it does not, what the clients ack does (`untold`).
 */
import { describe, expect, inject } from "vitest";

import { LONG } from "../../lengths.ts";
import { test as base } from "../server/fixtures.ts";

import { CASES } from "./cases.ts";
import { measure } from "./measure.ts";

const { boundsMs } = inject("lengths");
const IS_LONG = boundsMs >= LONG.boundsMs;

const CLIENTS = IS_LONG ? [1, 20] : [20];
/** Two thousand connections are of the long form: they take as much themselves as what is held for them. */
const MOST_OF_HTTP = IS_LONG ? 20 : 1;
/** What a server may grow in all, with what V8 has not collected yet and the connections themselves. */
const MOST_MIB = 200;
const MOST_SLOWER = 1.5;

const BOUNDS = { told: {}, untold: { BUFFERED_AMOUNT: "untold" } };

describe.each(Object.entries(BOUNDS))("a server whose sockets are bounded as %s", (name, vars) => {
  // HTTP is bounded the same way in both.
  const cases = CASES.filter(({ over }) => over === "socket" || name === "told");
  const test = base.extend({ options: { vars } });

  describe.each(CLIENTS)("with %i clients that do not read", (clients) => {
    test.for(cases)(
      "holds little by $name",
      { timeout: 60_000 + boundsMs * 4 },
      async (given, { server, annotate }) => {
        const { grownMiB, alone, beside } = await measure(server, given, {
          clients: given.over === "http" ? Math.min(clients, MOST_OF_HTTP) : clients,
          ms: boundsMs,
        });

        await annotate(`+${grownMiB} MiB, honest clients' p99 ${alone.p99Ms} ms alone, ${beside.p99Ms} ms beside it`);
        expect(grownMiB).toBeLessThanOrEqual(MOST_MIB);
        expect(beside.acked).toBeGreaterThan(0);
        expect(beside.missing).toBe(0);
        if (IS_LONG) {
          expect(beside.p99Ms).toBeLessThanOrEqual(alone.p99Ms * MOST_SLOWER);
        }
      },
    );
  });
});
