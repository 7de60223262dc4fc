import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import { binding, failure } from "../harness/service.ts";
import { postCall } from "../harness/http.ts";

/** Each kind of half a surrogate pair. */
const HIGH = "\ud83d";
const LOW = "\ude00";
const REVERSED = LOW + HIGH;

/** Every place of the contract that takes text and has no pattern of its own, with where the error says that it is. */
const PLACES: [path: string, method: string, params: object][] = [
  ["data", "publish", { data: HIGH }],
  ["data", "publish", { data: `${"é".repeat(1_000)}${LOW}` }],
  ["data.a.1.b", "publish", { data: { a: [0, { b: REVERSED }] } }],
  ["data.a", "publish", { data: { a: { [`x${HIGH}`]: 1 } } }],
  ["data", "publish", { data: { [LOW]: 1 } }],
  ["headers.a", "publish", { data: 1, headers: { a: HIGH } }],
  ["headers", "publish", { data: 1, headers: { [HIGH]: "a" } }],
  ["id", "publish", { data: 1, id: HIGH }],
  ["messages.1.data.0", "publishBatch", { messages: [{ data: 1 }, { data: [LOW] }] }],
  ["messages.0.headers.a", "publishBatch", { messages: [{ data: 1, headers: { a: LOW } }] }],
  ["id", "publishBatch", { messages: [{ data: 1 }], id: LOW }],
  ["state", "putState", { state: HIGH }],
  ["state.a", "putState", { state: { a: REVERSED } }],
  ["state.a", "checkpoint", { state: { a: HIGH }, through: 0 }],
];

describe("text that is not well-formed Unicode", () => {
  it.each(PLACES)(
    "is refused in %s of %s, wherever it comes from, and nothing is stored",
    async (path, method, own) => {
      const client = await connect();
      const stream = `ill-formed-${crypto.randomUUID()}`;
      const params = { stream, ...own };
      const frame = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
      const streams = binding() as unknown as Record<string, (params: unknown) => Promise<unknown>>;

      const error = {
        code: ErrorCode.InvalidParams,
        data: { issues: [{ path, reason: "must be well-formed Unicode" }] },
      };
      expect(await client.exchange(frame)).toMatchObject({ id: 1, error });
      expect(await postCall(method, params)).toMatchObject({ id: 1, error });
      expect(await failure(Promise.resolve(streams[method]?.(params)))).toMatchObject(error);
      expect(await env.STREAM.getByName(stream).info()).toBeUndefined();
    },
  );

  it("is refused as the reason of a term, and the message is not dead", async () => {
    const client = await connect();
    const stream = "ill-formed-term";
    await client.call("publish", { stream, data: 1 });
    await client.call("createConsumer", { stream, consumer: "c" });
    const { subscription } = await client.call("subscribe", { stream, consumer: "c" });
    await client.untilMessages(1);

    const error = await client.callError("term", { subscription, sequences: [1], reason: `broken ${HIGH}` });

    expect(error).toMatchObject({ code: ErrorCode.InvalidParams, data: { issues: [{ path: "reason" }] } });
    expect(await client.call("getDeadLetters", { stream, consumer: "c" })).toMatchObject({ deadLetters: [] });
  });
});

it("keeps pairs, however they were written", async () => {
  const client = await connect();
  const stream = "well-formed";
  const escaped = String.raw`{"\ud83d\ude00":["\ud83d\ude00","a\uffff\u0000"]}`;

  await client.exchange(
    `{"jsonrpc":"2.0","id":1,"method":"publish","params":{"stream":"${stream}","data":${escaped}}}`,
  );
  const { messages } = await client.call("getMessages", { stream });

  expect(messages[0]?.data).toEqual({ "😀": ["😀", "a\uffff\u0000"] });
});

it("gives back an id of a request that is half a pair, as it stores nothing", async () => {
  const client = await connect();

  const answer = await client.exchange(String.raw`{"jsonrpc":"2.0","id":"\ud83d","method":"getServerInfo"}`);

  expect(answer).toMatchObject({ id: HIGH, result: { name: "durable-stream" } });
});
