import { afterEach, describe, expect, it, vi } from "vitest";

import { ErrorCode, LIMITS, RpcError } from "../../../rpc/index.ts";
import { Batcher } from "../../../src/platform/scheduling/batcher.ts";
import { Deadlines } from "../../../src/platform/scheduling/deadlines.ts";
import { Gathering } from "../../../src/platform/scheduling/gathering.ts";
import { microtasks } from "../../harness/waits.ts";

type Call = { items: readonly string[]; reply: () => void; fail: (error: Error) => void };

/** A batcher whose calls the test answers. An item's outcome is the item, but for `refused`; `held` is not sent after a call. */
function batcherOf({ mayOverlap }: { mayOverlap: boolean }) {
  const calls: Call[] = [];
  const onIdle = vi.fn<() => void>();
  const gathering = new Gathering();
  const batcher = new Batcher<string, undefined, string>({
    maxItems: 3,
    host: { deadlines: new Deadlines(), gathering },
    maxSize: 10,
    mayOverlap,
    call: (items) =>
      new Promise((resolve, reject) => {
        calls.push({ items, reply: () => resolve(undefined), fail: reject });
      }),
    outcomes: (items) => items.map((item) => (item === "refused" ? new RpcError("Conflict", "injected") : item)),
    refusalOf: (item) => (item === "held" ? new RpcError("Unavailable", "injected") : undefined),
    onIdle,
  });
  const callAt = (index: number) =>
    vi.waitFor(() => {
      const call = calls[index];
      if (call === undefined) {
        throw new Error(`call ${index} has not begun`);
      }
      return call;
    });
  return { batcher, calls, callAt, onIdle, gathering };
}

afterEach(() => {
  vi.useRealTimers();
});

it("sends what is added at once in one call, and what is added meanwhile in the next", async () => {
  const { batcher, calls, callAt, onIdle } = batcherOf({ mayOverlap: false });
  const first = [batcher.add("a", 1), batcher.add("b", 1)];
  const call = await callAt(0);
  const second = batcher.add("c", 1);

  expect(calls).toHaveLength(1);
  expect(batcher.waitingSize).toBe(1);
  call.reply();
  (await callAt(1)).reply();

  expect(await Promise.all([...first, second])).toEqual(["a", "b", "c"]);
  expect(calls.map(({ items }) => items)).toEqual([["a", "b"], ["c"]]);
  await vi.waitFor(() => expect(onIdle).toHaveBeenCalledOnce());
});

describe("a batcher that waits for company", () => {
  it("calls when enough else has come for its object", async () => {
    const { batcher, calls, callAt, gathering } = batcherOf({ mayOverlap: false });
    const first = batcher.add("a", 1);
    (await callAt(0)).reply();
    const second = batcher.add("b", 1);
    await first;
    await microtasks();

    expect(calls).toHaveLength(1);
    gathering.note({ gathered: 0, others: 16, bytes: 0 });
    await microtasks();
    expect(calls).toHaveLength(2);

    calls[1]?.reply();
    await second;
  });

  it("looks at what has come for others when something is added", async () => {
    const { batcher, calls, callAt } = batcherOf({ mayOverlap: false });
    const first = batcher.add("a", 1);
    (await callAt(0)).reply();
    await first;
    await microtasks();

    new Gathering().note({ gathered: 0, others: 16, bytes: 0 });
    const second = batcher.add("b", 1);
    await microtasks();
    expect(calls).toHaveLength(2);

    calls[1]?.reply();
    await second;
  });
});

it("bounds a call by items and by size, which one item alone may exceed", async () => {
  const { batcher, calls, callAt } = batcherOf({ mayOverlap: false });
  const sizes = [1, 1, 1, 6, 5, 20, 1];

  const added = sizes.map((size) => batcher.add(String(size), size));
  for (let index = 0; index < 5; index += 1) {
    (await callAt(index)).reply();
  }
  await Promise.all(added);

  expect(calls.map(({ items }) => items)).toEqual([["1", "1", "1"], ["6"], ["5"], ["20"], ["1"]]);
  expect(batcher.waitingSize).toBe(0);
});

it("gives each item its own outcome, and all of them the failure of their call", async () => {
  const { batcher, callAt } = batcherOf({ mayOverlap: false });
  const mixed = Promise.allSettled([batcher.add("a", 1), batcher.add("refused", 1)]);
  (await callAt(0)).reply();

  expect(await mixed).toMatchObject([{ value: "a" }, { reason: { code: ErrorCode.Conflict } }]);

  const lost = Promise.allSettled([batcher.add("a", 1), batcher.add("b", 1)]);
  (await callAt(1)).fail(Object.assign(new Error("injected: lost"), { retryable: true }));

  const unknown = { reason: { code: ErrorCode.OutcomeUnknown } };
  expect(await lost).toMatchObject([unknown, unknown]);
});

it("refuses what must not be sent any more after a call", async () => {
  const { batcher, calls, callAt } = batcherOf({ mayOverlap: false });
  const first = batcher.add("a", 1);
  const call = await callAt(0);
  const rest = Promise.allSettled([batcher.add("held", 1), batcher.add("b", 1)]);

  call.reply();
  await first;
  (await callAt(1)).reply();

  expect(await rest).toMatchObject([{ reason: { code: ErrorCode.Unavailable } }, { value: "b" }]);
  expect(calls[1]?.items).toEqual(["b"]);
});

describe("a call that passes its deadline", () => {
  const LATE = [{ reason: { code: ErrorCode.OutcomeUnknown } }, { reason: { code: ErrorCode.Unavailable } }];

  it("is waited for where calls may not overlap; meanwhile nothing is taken", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const { batcher, calls, callAt } = batcherOf({ mayOverlap: false });
    const first = batcher.add("a", 1);
    const call = await callAt(0);
    const both = Promise.allSettled([first, batcher.add("b", 1)]);

    vi.advanceTimersByTime(LIMITS.requestDeadlineMs);
    vi.useRealTimers();

    expect(await both).toMatchObject(LATE);
    await expect(batcher.add("c", 1)).rejects.toMatchObject({ code: ErrorCode.Unavailable });
    expect(calls).toHaveLength(1);
    call.reply();
    await scheduler.wait(0);
    const next = batcher.add("d", 1);
    (await callAt(1)).reply();
    expect(await next).toBe("d");
  });

  it("is left behind where calls may overlap", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const { batcher, callAt } = batcherOf({ mayOverlap: true });
    const first = batcher.add("a", 1);
    await callAt(0);
    const both = Promise.allSettled([first, batcher.add("b", 1)]);

    vi.advanceTimersByTime(LIMITS.requestDeadlineMs);
    vi.useRealTimers();

    expect(await both).toMatchObject(LATE);
    const next = batcher.add("c", 1);
    (await callAt(1)).reply();
    expect(await next).toBe("c");
  });
});
