import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { ErrorCode } from "../../../rpc/index.ts";
import { Scans } from "../../../src/stream/scheduling/scans.ts";
import { connect } from "../../harness/client.ts";
import { range } from "../../harness/objects.ts";
import { countPauses, overrideWait } from "../../harness/waits.ts";

const CALLS = 30;

it("looks through the log for one call after the other, in turn, with one timer for all", async () => {
  const scans = new Scans();
  const attempts: number[] = [];
  const pauses = countPauses();

  const found = await Promise.all(
    range(1, CALLS).map((call) =>
      scans.run(
        () => {
          attempts.push(call);
          return attempts.length > 2 * CALLS ? call : undefined;
        },
        () => 0,
      ),
    ),
  );

  expect(found).toEqual(range(1, CALLS));
  expect(attempts).toEqual([...range(1, CALLS), ...range(1, CALLS), ...range(1, CALLS)]);
  expect(pauses()).toBe(1);
});

it("looks no further for a caller that has waited for half the time of a request", async () => {
  const scans = new Scans();
  overrideWait("REQUEST_DEADLINE_MS", 20);
  let attempts = 0;
  const never = () => {
    attempts += 1;
    return undefined;
  };

  const refused = await scans.run(never, () => 0);
  const made = attempts;
  const next = await scans.run(
    () => attempts,
    () => 0,
  );

  expect(refused).toMatchObject({ refused: { code: ErrorCode.Unavailable } });
  expect(made).toBeGreaterThan(1);
  expect(next).toBe(made);
});

it("answers other calls between fetches of much text", async () => {
  const stream = "scans-large";
  const stub = env.STREAM.getByName(stream);
  const client = await connect();
  for (let count = 0; count < CALLS; count += 1) {
    await client.call("publishBatch", { stream, messages: range(1, 10).map(() => ({ data: "x".repeat(10_000) })) });
  }
  await client.call("createConsumer", { stream, consumer: "c", from: "first" });
  let answered = 0;
  const fetches = range(1, CALLS).map(async () => {
    expect(await stub.fetchMessages("c", 10)).toHaveProperty("lease");
    answered += 1;
  });

  await stub.getState();
  const before = answered;
  await Promise.all(fetches);

  expect(before).toBeLessThan(CALLS / 2);
});
