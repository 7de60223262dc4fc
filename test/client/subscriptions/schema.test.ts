import * as v from "valibot";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { SchemaError } from "../../../rpc/client.ts";
import type { StandardSchema } from "../../../rpc/client.ts";

import { pass, ScriptedServer, standing, watch } from "../scripted-server.ts";

type Order = { item: string; count: number };

/** Of valibot: a default is part of what it makes of the data. */
const byValibot = v.object({ item: v.string(), count: v.optional(v.number(), 1) });

/** Of no library, and not at once. */
const byHand: StandardSchema<Order> = {
  "~standard": {
    version: 1,
    vendor: "hand",
    validate: async (value) => {
      const { item, count = 1 }: { item?: unknown; count?: number } = Object(value);
      return typeof item === "string"
        ? { value: { item, count } }
        : { issues: [{ message: "no item", path: [{ key: "item" }] }] };
    },
  },
};

const SCHEMAS: [name: string, schema: StandardSchema<Order>][] = [
  ["valibot", byValibot],
  ["a schema that takes its time", byHand],
];

const STREAM = { stream: "s" };
const SHARE = { stream: "s", consumer: "c" };
const GOOD = { item: "tea" };
const BAD = { item: 5 };
/** Longer than any pause before an event is handled again. */
const LONG_MS = 6_000;

let server: ScriptedServer;
let reported: unknown[];

beforeEach(() => {
  vi.useFakeTimers();
  reported = [];
  vi.spyOn(console, "error").mockImplementation((_what, error) => void reported.push(error));
  server = new ScriptedServer();
  server.onConnect = (socket) => {
    socket.onCall = ({ id, method }) => {
      const begun = { subscription: 1, stream: "s", epoch: "e", nextSequence: 1, lastSequence: 9 };
      queueMicrotask(() => id !== undefined && socket.answer({ id, result: method === "subscribe" ? begun : {} }));
    };
    queueMicrotask(() => socket.open());
  };
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Sends these as the data of the messages 1, 2, 3 and so on. */
async function send(...data: unknown[]): Promise<void> {
  await pass();
  const messages = data.map((one, index) => ({ deliveryCount: 1, sequence: index + 1, publishedAt: 1, data: one }));
  server.socket.notify("messages", { subscription: 1, stream: "s", previous: 0, messages });
  await pass(LONG_MS);
}

function told(method: string): unknown[] {
  return server.socket.calls(method).map(({ params }) => params);
}

describe.each(SCHEMAS)("data that is checked by %s", (_name, schema) => {
  it("reaches the handler of a stream as the schema makes it, and what is refused is told, passed over and done", async () => {
    const seen: Order[] = [];
    const heard: unknown[] = [];
    const onError = (error: unknown, event: object) => void heard.push([error, event]);
    const subscription = server.client().subscribe(
      STREAM,
      (event) => {
        if (event.type === "message") {
          seen.push(event.data);
        }
      },
      { schema, onError },
    );
    const ended = watch(subscription.ended);
    await send(GOOD, BAD, { ...GOOD, count: 2 });

    expect(seen).toEqual([
      { item: "tea", count: 1 },
      { item: "tea", count: 2 },
    ]);
    expect(heard).toEqual([[expect.any(SchemaError), expect.objectContaining({ sequence: 2, data: BAD })]]);
    expect(told("ack")).toEqual([{ subscription: 1, through: 3 }]);
    expect(ended.outcome).toBe("pending");
    expect(reported).toEqual([]);
  });

  it("of a consumer becomes a dead letter where it is refused, whose reason says why", async () => {
    const seen: Order[] = [];
    server.client().subscribe(SHARE, ({ data }) => void seen.push(data), { schema });
    await send(BAD, GOOD);

    expect(seen).toEqual([{ item: "tea", count: 1 }]);
    expect(told("term")).toEqual([
      { subscription: 1, sequences: [1], reason: expect.stringMatching(/^data\.item: \S/) },
    ]);
    expect(told("ack")).toEqual([{ subscription: 1, sequences: [2] }]);
    expect(told("nak")).toEqual([]);
    expect(reported).toEqual([expect.any(SchemaError)]);
  });

  it("reaches a loop as the schema makes it, which ends with what is refused, and that is not acked", async () => {
    const subscription = server.client().subscribe(STREAM, { schema });
    const seen: Order[] = [];
    const loop = watch(
      (async () => {
        for await (const event of subscription) {
          if (event.type === "message") {
            seen.push(event.data);
          }
        }
      })(),
    );
    await send(GOOD, BAD, GOOD);

    expect(seen).toEqual([{ item: "tea", count: 1 }]);
    expect(await standing(loop)).toMatchObject({ error: { name: "SchemaError", issues: [{}] } });
    expect(await standing(watch(subscription.ended))).toMatchObject({ error: { name: "SchemaError" } });
    expect(told("ack")).toEqual([{ subscription: 1, through: 1 }]);
  });

  it("reaches a reader of batches as the schema makes it", async () => {
    const subscription = server.client().subscribe(STREAM, { schema });
    const batch = watch(subscription.nextBatch());
    await send(GOOD, GOOD);

    expect(batch.outcome).toMatchObject({
      value: { value: [1, 2].map((sequence) => ({ sequence, data: { item: "tea", count: 1 } })) },
    });
  });
});

it("gives a gap to the handler as it is", async () => {
  const seen: string[] = [];
  server.client().subscribe(STREAM, ({ type }) => void seen.push(type), { schema: byValibot });
  await pass();
  server.socket.notify("gap", { subscription: 1, from: 1, to: 4, reason: "trimmed" });
  await pass();

  expect(seen).toEqual(["gap"]);
});

it("leaves to `onError` what becomes of a consumer's message that is refused", async () => {
  server.client().subscribe(SHARE, () => undefined, {
    schema: byValibot,
    onError: (_error, job) => job.nak(5_000),
  });
  await send(BAD);

  expect(told("nak")).toEqual([{ subscription: 1, sequences: [1], delayMs: 5_000 }]);
  expect(told("term")).toEqual([]);
});

it.each([
  ["stream", STREAM, []],
  ["consumer", SHARE, [{ subscription: 1, sequences: [1] }]],
])(
  "stops at a message that is refused when `onError` throws, and gives that of a %s back",
  async (_of, params, naks) => {
    const subscription = server.client().subscribe(params, () => undefined, {
      schema: byValibot,
      onError: (error) => {
        throw error;
      },
    });
    const ended = watch(subscription.ended);
    await send(BAD, GOOD);

    expect(ended.outcome).toMatchObject({ error: { name: "SchemaError" } });
    expect([told("ack"), told("term"), told("nak")]).toEqual([[], [], naks]);
  },
);

it("calls a handler that fails again with checked data", async () => {
  const seen: unknown[] = [];
  server.client().subscribe(
    STREAM,
    (event) => {
      seen.push(event.type === "message" && event.data);
      if (seen.length === 1) {
        throw new Error("broken");
      }
    },
    { schema: byValibot },
  );
  await send(GOOD);

  expect(seen).toEqual([1, 2].map(() => ({ item: "tea", count: 1 })));
});

it("says in the reason of a dead letter as much as fits one", async () => {
  const message = `${"x".repeat(249)}\u{1f511}${"y".repeat(100)}`;
  const schema: StandardSchema = {
    "~standard": { version: 1, vendor: "v", validate: () => ({ issues: [{ message }] }) },
  };
  server.client().subscribe(SHARE, () => undefined, { schema });
  await send(BAD);

  expect(told("term")).toEqual([{ subscription: 1, sequences: [1], reason: `data: ${"x".repeat(249)}\ufffd` }]);
});
