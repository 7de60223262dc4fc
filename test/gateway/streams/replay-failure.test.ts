import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";

import { connect } from "../../harness/client.ts";
import { faultStream } from "../../harness/faults.ts";
import { evict, gatewayOf } from "../../harness/objects.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

it("tries again a replay that failed after an ack, though nothing else happens", async () => {
  const stream = "replay-fails";
  const client = await connect();
  await client.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }] });
  const { subscription } = await client.call("subscribe", { stream, maxInFlight: 1 });
  await client.untilMessages(1);
  const gateway = await gatewayOf(client);
  // Asleep, and nothing left to do.
  await runInDurableObject(gateway, (_gateway, { storage }) => storage.deleteAlarm());
  await evict(gateway);
  let failures = 0;
  await faultStream("readPage", (readPage, ...call) => {
    if (failures === 0) {
      failures += 1;
      throw new Error("injected: the log could not be read");
    }
    return readPage(...call);
  });

  await client.call("ack", { subscription, through: 1 });
  await client.untilMessages(2);

  expect(failures).toBe(1);
  expect(client.sequences()).toEqual([1, 2]);
});
