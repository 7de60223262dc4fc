import { afterEach, expect, it, vi } from "vitest";

import { connect } from "../harness/client.ts";
import { SHORT_DEADLINE_MS, shortenRequestDeadline } from "../harness/waits.ts";
import { faultStream } from "../harness/faults.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

it("answers a filtered getMessages within the request deadline with what it has read, and where to go on", async () => {
  const stream = "slow-pages";
  const client = await connect();
  const messages = Array.from({ length: 500 }, (_, data) => ({ data, subject: data === 0 ? "wanted" : "other" }));
  for (let count = 0; count < 8; count += 1) {
    await client.call("publishBatch", { stream, messages });
  }
  const gate = { pages: 0, isAnswered: false };
  await faultStream("readPage", async (readPage, ...args) => {
    gate.pages += 1;
    while (gate.pages > 3 && !gate.isAnswered) {
      await scheduler.wait(10);
    }
    return readPage(...args);
  });
  shortenRequestDeadline();
  const startedAt = Date.now();

  const page = await client.call("getMessages", { stream, filter: "wanted" });
  gate.isAnswered = true;

  expect(Date.now() - startedAt).toBeLessThan(SHORT_DEADLINE_MS + 1_500);
  expect(page.messages.map(({ sequence }) => sequence)).toEqual([1, 501, 1001]);
  expect(page).toMatchObject({ nextSequence: 1501, lastSequence: 4000 });
});
