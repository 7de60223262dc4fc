import { afterEach, expect, it, vi } from "vitest";

import { LIMITS } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import { faultStream } from "../harness/faults.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

it(
  "answers a filtered getMessages within the request deadline with what it has read, and where to go on",
  { timeout: 60_000 },
  async () => {
    const stream = "slow-pages";
    const client = await connect();
    const messages = Array.from({ length: 500 }, (_, data) => ({ data, subject: data === 0 ? "wanted" : "other" }));
    for (let count = 0; count < 8; count += 1) {
      await client.call("publishBatch", { stream, messages });
    }
    await faultStream("readPage", async (readPage, ...args) => {
      await scheduler.wait(4_000);
      return readPage(...args);
    });
    const startedAt = Date.now();

    const page = await client.call("getMessages", { stream, filter: "wanted" });

    expect(Date.now() - startedAt).toBeLessThan(LIMITS.requestDeadlineMs + 1_500);
    expect(page.messages.map(({ sequence }) => sequence)).toEqual([1, 501, 1001]);
    expect(page).toMatchObject({ nextSequence: 1501, lastSequence: 4000 });
  },
);
