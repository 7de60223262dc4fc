import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

import { ErrorCode, isMethodName, METHODS } from "../../rpc/index.ts";
import type { DurableStreamsBinding, MethodName, MethodParams, MethodSpec } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { binding, failure } from "../harness/service.ts";

import { postCall } from "../harness/http.ts";

/** Params that compare with a stream or point into it. */
const POSITIONS = ["from", "through", "sequences", "expect", "expectedRevision"];
/** Fields of results that a caller may pass on in such params. */
const PLACES = [
  "revision",
  "sequence",
  "firstSequence",
  "lastSequence",
  "nextSequence",
  "ackFloor",
  "messages",
  "deadLetters",
];

type InEpoch<M extends MethodName> =
  MethodParams<M> extends infer One
    ? One extends object
      ? "epoch" extends keyof One
        ? Omit<One, "stream" | "epoch">
        : never
      : never
    : never;
type MethodInEpoch = { [M in MethodName]: [InEpoch<M>] extends [never] ? never : M }[MethodName];

/** A call of each method that takes an epoch, without the stream; a method without one does not compile. */
const CALLS: { [M in MethodInEpoch]: InEpoch<M> } = {
  publish: { data: "late", expect: { lastSequence: 2 } },
  publishBatch: { messages: [{ data: "late" }], expect: { lastSequence: 2 } },
  getMessages: { from: { sequence: 1 } },
  deleteMessages: { sequences: [1] },
  getProducer: { producer: "p" },
  listProducers: {},
  deleteStream: {},
  putState: { state: "late", expectedRevision: 0 },
  checkpoint: { state: "late", through: 2, expectedRevision: 0 },
  subscribe: { from: { sequence: 1 } },
  createConsumer: { consumer: "made", from: { sequence: 1 } },
  seekConsumer: { consumer: "c", from: { sequence: 2 } },
  getDeadLetters: { consumer: "c", from: 1 },
  retryDeadLetters: { consumer: "c", sequences: [1] },
  deleteDeadLetters: { consumer: "c", sequences: [1] },
};

const IN_EPOCH = Object.keys(CALLS).filter((name): name is MethodInEpoch => isMethodName(name));

/** The objects that a schema allows, by the names of their fields. */
function fieldsOf(schema: MethodSpec["params"]): string[][] {
  const objects = "options" in schema && Array.isArray(schema.options) ? schema.options : [schema];
  return objects.map((object: object) => ("entries" in object ? Object.keys(object.entries as object) : []));
}

describe.each(Object.entries<MethodSpec>(METHODS))("%s", (name, { params, result, errors }) => {
  it("takes an epoch beside every position and condition of a stream, and says what it answers then", () => {
    const inStream = fieldsOf(params).filter((fields) => fields.includes("stream"));
    const placed = inStream.filter((fields) => fields.some((field) => POSITIONS.includes(field)));

    // A lease is of one consumer of one epoch: see "takes no lease of another life".
    const without = placed.filter((fields) => !fields.includes("epoch") && !fields.includes("lease"));
    const takesOne = inStream.some((fields) => fields.includes("epoch"));
    expect(without).toEqual([]);
    expect(errors.includes("EpochChanged")).toBe(takesOne);
    expect(Object.hasOwn(CALLS, name)).toBe(takesOne);
  });

  it("tells the epoch of every position and revision in its result", () => {
    const placed = fieldsOf(result).filter((fields) => fields.some((field) => PLACES.includes(field)));

    expect(placed.filter((fields) => !fields.includes("epoch"))).toEqual([]);
  });
});

/** What a call answers that must be refused, over each way there is to make it. */
const WAYS: [way: string, refusal: (method: MethodName, params: object) => Promise<unknown>][] = [
  [
    "a socket",
    async (method, params) => {
      const client = await connect();
      const { code, data } = await client.callError(method, params);
      client.close();
      return { code, data };
    },
  ],
  [
    "HTTP",
    async (method, params) => {
      const { error } = (await postCall(method, params)) as { error?: { code: number; data: unknown } };
      return { code: error?.code, data: error?.data };
    },
  ],
  [
    "a service binding",
    async (method, params) => {
      const streams = binding() as unknown as Record<string, DurableStreamsBinding["subscribe"]>;
      // A method that takes no handler is called with one too many: it looks at the first argument only.
      const call = Promise.resolve(streams[method]?.(params as MethodParams<"subscribe">, () => undefined));
      const { code, data } = await failure(call);
      return { code, data };
    },
  ],
];

/** Everything that a call could change of a stream. */
async function standing(client: TestClient, stream: string) {
  const { gateways: _gateways, ...info } = await client.call("getStreamInfo", { stream });
  const { consumers } = await client.call("listConsumers", { stream });
  return { info, consumers, state: await client.call("getState", { stream }) };
}

/** Makes a stream with two messages, and a consumer with the first one dead. */
async function begin(client: TestClient, stream: string): Promise<string> {
  const { epoch } = await client.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }] });
  const at = { stream, consumer: "c" };
  await client.call("createConsumer", at);
  const { lease } = await client.call("fetchMessages", { ...at, limit: 1 });
  await client.call("ackMessages", { ...at, lease, sequences: [1], outcome: "term" });
  return epoch;
}

describe.each(WAYS)("over %s", (way, refusal) => {
  // HTTP has no subscriptions; who follows by a binding is told by `epochChanged`, as by the client (service.test.ts).
  const methods = IN_EPOCH.filter((method) => way === "a socket" || method !== "subscribe");

  it.each(methods)("%s of an epoch that is over is EpochChanged, and does nothing to the next one", async (method) => {
    const client = await connect();
    const stream = `over-${method}-${way.replaceAll(" ", "-")}`;
    const old = await begin(client, stream);
    await client.call("deleteStream", { stream });
    const epoch = await begin(client, stream);
    const before = await standing(client, stream);

    const refused = await refusal(method, { ...CALLS[method], stream, epoch: old });

    expect(refused).toEqual({ code: ErrorCode.EpochChanged, data: { epoch, reason: "deleted" } });
    expect(await standing(client, stream)).toEqual(before);
  });

  it.each(methods.filter((method) => method !== "deleteStream"))(
    "%s of an epoch that is over, and no other begun, is NotFound and begins none",
    async (method) => {
      const client = await connect();
      const stream = `gone-${method}-${way.replaceAll(" ", "-")}`;
      const epoch = await begin(client, stream);
      await client.call("deleteStream", { stream });

      const refused = await refusal(method, { ...CALLS[method], stream, epoch });

      expect(refused).toEqual({ code: ErrorCode.NotFound, data: { what: "stream" } });
      expect(await env.STREAM.getByName(stream).info()).toBeUndefined();
    },
  );
});

it.each(IN_EPOCH)("%s is done in the epoch that it names", async (method) => {
  const client = await connect();
  const stream = `named-${method}`;
  const epoch = await begin(client, stream);

  const { error } = await client.request(method, { ...CALLS[method], stream, epoch });

  expect(error).toBeUndefined();
});

it("deletes nothing of an epoch that the caller never saw", async () => {
  const stream = "never-seen";
  const [one, other] = [await connect(), await connect()];
  await one.call("publish", { stream, data: "seen" });
  const { revision, epoch } = await one.call("getState", { stream });
  await other.call("deleteStream", { stream });
  await other.call("publishBatch", { stream, messages: [{ data: 1 }, { data: 2 }] });

  const seen = { stream, state: "snapshot", through: 2, expectedRevision: revision, epoch };
  const refused = await one.callError("checkpoint", seen);

  const { messages } = await other.call("getMessages", { stream });
  expect(refused.code).toBe(ErrorCode.EpochChanged);
  expect(messages.map(({ data }) => data)).toEqual([1, 2]);
});

it("does not delete again, when a deleteStream is repeated, what was made since", async () => {
  const stream = "deleted-twice";
  const client = await connect();
  const { epoch } = await client.call("publish", { stream, data: "old" });

  const first = await client.call("deleteStream", { stream, epoch });
  const again = await client.call("deleteStream", { stream, epoch });
  await client.call("publish", { stream, data: "new" });
  const late = await client.callError("deleteStream", { stream, epoch });

  expect([first, again]).toEqual([{ deleted: true }, { deleted: false }]);
  expect(late.code).toBe(ErrorCode.EpochChanged);
  expect((await client.call("getMessages", { stream })).messages).toHaveLength(1);
});

describe("getState", () => {
  it("tells no epoch before the first use, and then the one that every result tells", async () => {
    const stream = "told";
    const client = await connect();

    const unused = await client.call("getState", { stream });
    const put = await client.call("putState", { stream, state: 1, expectedRevision: unused.revision });
    const checkpoint = await client.call("checkpoint", { stream, state: 2, through: 0, epoch: put.epoch });
    const { epoch } = await client.call("getStreamInfo", { stream });

    expect(unused).toEqual({ state: null, revision: 0 });
    expect([put.epoch, checkpoint.epoch]).toEqual([epoch, epoch]);
    expect(await client.call("getState", { stream })).toEqual({ state: 2, revision: 2, epoch });
  });
});

it("tells in a Conflict which epoch the actual value is of", async () => {
  const stream = "conflicts";
  const client = await connect();
  const { epoch } = await client.call("publish", { stream, data: 1 });

  const publish = await client.callError("publish", { stream, data: 2, expect: { lastSequence: 7 } });
  const put = await client.callError("putState", { stream, state: 1, expectedRevision: 7 });
  const checkpoint = await client.callError("checkpoint", { stream, state: 1, through: 7 });
  const unused = await client.callError("publish", { stream: "unused", data: 2, expect: { lastSequence: 7 } });

  expect([publish.data, put.data, checkpoint.data]).toEqual([
    { lastSequence: 1, epoch },
    { revision: 0, epoch },
    { lastSequence: 1, epoch },
  ]);
  expect(unused.data).toEqual({ lastSequence: 0 });
});

describe("publish", () => {
  it("stores its neighbours in one frame when it is of another epoch", async () => {
    const stream = "neighbours";
    const client = await connect();
    const { epoch } = await client.call("publish", { stream, data: 0 });

    const [one, late, two] = await Promise.all([
      client.request("publish", { stream, data: 1, epoch }),
      client.request("publish", { stream, data: "late", epoch: "another" }),
      client.request("publish", { stream, data: 2 }),
    ]);

    expect([one?.result, two?.result]).toMatchObject([{ sequence: 2 }, { sequence: 3 }]);
    expect(late?.error).toMatchObject({ code: ErrorCode.EpochChanged, data: { epoch } });
  });

  it("is a duplicate when its id is known, whatever epoch it names: the answer says which it is in", async () => {
    const stream = "duplicate";
    const client = await connect();
    const stored = await client.call("publish", { stream, data: 1, id: "once" });

    const again = await client.call("publish", { stream, data: 1, id: "once", epoch: "another" });

    expect(again).toEqual({ ...stored, duplicate: true });
  });
});

it("takes no lease of another epoch", async () => {
  const at = { stream: "leases", consumer: "c" };
  const client = await connect();
  await client.call("createConsumer", at);
  await client.call("publish", { stream: at.stream, data: "old" });
  const { lease } = await client.call("fetchMessages", at);
  await client.call("deleteStream", { stream: at.stream });
  await client.call("createConsumer", at);
  await client.call("publish", { stream: at.stream, data: "new" });
  await client.call("fetchMessages", at);

  const refused = await client.callError("ackMessages", { ...at, lease, sequences: [1] });

  expect(refused).toMatchObject({ code: ErrorCode.NotFound, data: { what: "lease" } });
  expect(await client.call("getConsumer", at)).toMatchObject({ inFlight: 1, ackFloor: 0 });
});
