import { join } from "node:path";

import { describe, expect } from "vitest";

import { ErrorCode } from "../../../../rpc/index.ts";
import { startInOneRuntime } from "../../binding/bound-workers.ts";
import { test } from "../../server/fixtures.ts";

const example = join(import.meta.dirname, "../../../examples/orders-worker.ts");

describe("a Worker that calls this one by service binding", () => {
  test("publishes, reads and follows, within what its props allow", async ({ data }) => {
    await using orders = await startInOneRuntime({ entry: example, props: { streams: ["orders"] } }, data);
    const post = (item: string, key: string, path = ""): Promise<Response> =>
      orders.fetch(path, { method: "POST", headers: { "Idempotency-Key": key }, body: JSON.stringify({ item }) });

    const first = await post("tea", "a");
    const again = await post("tea", "a");
    const live = await orders.fetch("/live?count=3");
    await post("milk", "b");
    await post("sugar", "c");
    const events = await live.text();
    const read = await orders.fetch("");
    const forbidden = await post("gold", "d", "?stream=vault");

    expect(await first.json()).toEqual({ sequence: 1, duplicate: false });
    expect(await again.json()).toEqual({ sequence: 1, duplicate: true });
    expect(live.headers.get("Content-Type")).toBe("text/event-stream");
    expect(events).toBe(
      ["tea", "milk", "sugar"].map((item, index) => `id: ${index + 1}\ndata: {"item":"${item}"}\n\n`).join(""),
    );
    expect(await read.json()).toMatchObject([
      { sequence: 1 },
      { sequence: 2 },
      { sequence: 3, data: { item: "sugar" } },
    ]);
    expect([forbidden.status, await forbidden.json()]).toEqual([422, { code: ErrorCode.Forbidden }]);
  });
});
