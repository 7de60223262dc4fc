import * as v from "valibot";
import { describe, expectTypeOf, it } from "vitest";
import type { WebSocket as WsWebSocket } from "ws";

import { DurableStreamError } from "../../rpc/client.ts";
import type {
  CallOptions,
  ConsumerDelivery,
  Delivery,
  DurableStream,
  PutOptions,
  StandardSchema,
  StreamEvent,
  Subscription,
  WebSocketConstructor,
} from "../../rpc/client.ts";
import type {
  CallableMethod,
  ConsumerMessage,
  ContractMethods,
  DurableStreamsBinding,
  ErrorName,
  Message,
  MethodParams,
  MethodResult,
  PublishResult,
} from "../../rpc/index.ts";

// Compiled by `npm run typecheck`, where each expected error must be one; nothing here runs.
declare const client: DurableStream;

declare const nothing: () => void;

/** Takes lines to be compiled, and runs none of them. */
function compile(_lines: (error?: DurableStreamError) => unknown): void {
  // The compiler has done its work.
}

describe("what the compiler refuses", () => {
  it("is a method that is not of the contract, or of one socket only", () => {
    compile(() => [
      // @ts-expect-error there is no such method
      client.publsh({ stream: "s", data: 1 }),
      // @ts-expect-error there is no such method
      client.call("publsh", { stream: "s", data: 1 }),
      // @ts-expect-error the number of a subscription is of one socket, which the client replaces
      client.call("unsubscribe", { subscription: 1 }),
      // @ts-expect-error the same, by name
      client.ack({ subscription: 1, through: 1 }),
    ]);
  });

  it("is a param that is missing, misspelt or of another type", () => {
    compile(() => [
      // @ts-expect-error no stream
      client.publish({ data: 1 }),
      // @ts-expect-error no params
      client.getState(),
      // @ts-expect-error misspelt
      client.publish({ stream: "s", data: 1, subjet: "a" }),
      // @ts-expect-error not a number
      client.deleteMessages({ stream: "s", through: "7" }),
      // @ts-expect-error neither of the two
      client.deleteMessages({ stream: "s" }),
      // @ts-expect-error not a start
      client.subscribe({ stream: "s", from: "last" }),
      // @ts-expect-error the same by call()
      client.call("getMessages", { stream: "s", from: "last" }),
      // @ts-expect-error not an option
      client.getState({ stream: "s" }, { timeout: 1 }),
      // @ts-expect-error neither auto nor manual
      client.subscribe({ stream: "s" }, { ack: "never" }),
      // @ts-expect-error what a loop throws is its own
      client.subscribe({ stream: "s" }, { onError: () => undefined }),
    ]);
  });

  it("is a field that a result or an event does not have", () => {
    compile(async () => [
      // @ts-expect-error no such field
      (await client.publish({ stream: "s", data: 1 })).seq,
      // @ts-expect-error no such field
      (await client.call("getState", { stream: "s" })).value,
      // @ts-expect-error only a message has data: it may be a gap
      (await client.subscribe({ stream: "s" }).next()).value?.data,
    ]);
  });
});

describe("what is written out for editors", () => {
  it("has the methods of the contract that need no socket, with their params and results", () => {
    expectTypeOf<keyof ContractMethods>().toEqualTypeOf<CallableMethod>();
    expectTypeOf<Omit<ContractMethods<[options?: CallOptions]>, OfData>>().toEqualTypeOf<{
      [M in Exclude<CallableMethod, OfData>]: (...args: [...Of<M>, options?: CallOptions]) => Promise<MethodResult<M>>;
    }>();
    expectTypeOf<Omit<ContractMethods, OfData>>().toEqualTypeOf<{
      [M in Exclude<CallableMethod, OfData>]: (...args: Of<M>) => Promise<MethodResult<M>>;
    }>();
  });

  it("has those that carry data with the params and results of the contract where no type of data is known", () => {
    expectTypeOf<Parameters<ContractMethods["publish"]>>().toExtend<Of<"publish">>();
    expectTypeOf<Of<"publish">>().toExtend<Parameters<ContractMethods["publish"]>>();
    expectTypeOf<Parameters<ContractMethods["publishBatch"]>>().toExtend<Of<"publishBatch">>();
    expectTypeOf<Of<"publishBatch">>().toExtend<Parameters<ContractMethods["publishBatch"]>>();
    expectTypeOf<Parameters<ContractMethods["getMessages"]>>().toExtend<Of<"getMessages">>();
    expectTypeOf<ReturnType<ContractMethods["getMessages"]>>().toExtend<Promise<MethodResult<"getMessages">>>();
    expectTypeOf<Promise<MethodResult<"getMessages">>>().toExtend<ReturnType<ContractMethods["getMessages"]>>();
    expectTypeOf<Parameters<ContractMethods["fetchMessages"]>>().toExtend<Of<"fetchMessages">>();
    expectTypeOf<ReturnType<ContractMethods["fetchMessages"]>>().toExtend<Promise<MethodResult<"fetchMessages">>>();
  });

  it("has the fields of a message and of an object's params", () => {
    expectTypeOf<Omit<Delivery, "type" | "epoch" | "ack">>().toExtend<Message>();
    expectTypeOf<Readonly<Message>>().toExtend<Omit<Delivery, "type" | "epoch" | "ack">>();
    expectTypeOf<ConsumerDelivery>().toExtend<ConsumerMessage>();
    expectTypeOf<keyof ConsumerDelivery>().toEqualTypeOf<
      keyof ConsumerMessage | "type" | "epoch" | "ack" | "nak" | "term" | "working"
    >();
    expectTypeOf<Omit<PutOptions, keyof CallOptions>>().toEqualTypeOf<
      Pick<MethodParams<"putObject">, "contentType" | "metadata" | "ifMatch" | "ifNoneMatch" | "sha256">
    >();
  });
});

/** The methods whose params or result have the data of messages. */
type OfData = "publish" | "publishBatch" | "getMessages" | "fetchMessages";

/** What a method takes: nothing at all where it has no params that must be there. */
type Of<M extends CallableMethod> =
  Partial<MethodParams<M>> extends MethodParams<M> ? [params?: MethodParams<M>] : [params: MethodParams<M>];

describe("what the compiler knows", () => {
  it("is the result of each method", () => {
    expectTypeOf<ReturnType<DurableStream["publish"]>>().toEqualTypeOf<Promise<PublishResult>>();
    expectTypeOf<ReturnType<DurableStream["checkpoint"]>>().toEqualTypeOf<Promise<MethodResult<"checkpoint">>>();
    expectTypeOf(() => client.call("getMessages", { stream: "s" })).returns.toEqualTypeOf<
      Promise<MethodResult<"getMessages">>
    >();
    expectTypeOf<Parameters<DurableStream["putState"]>[0]>().toEqualTypeOf<MethodParams<"putState">>();
  });

  it("is that a method without params needs none", () => {
    compile(() => [client.getServerInfo(), client.call("getServerInfo"), client["rpc.discover"]()]);
  });

  it("is what an event is, once its type is looked at", () => {
    expectTypeOf((event: StreamEvent) => event.type === "message" && event.data).returns.toBeUnknown();
    expectTypeOf((event: StreamEvent) => (event.type === "gap" ? event.from : 0)).returns.toBeNumber();
  });

  it("is what `onError` is told of: an event of the stream, or a delivery of the consumer", () => {
    compile(() => [
      client.subscribe({ stream: "s" }, nothing, { onError: (_error, event) => void (event.type === "gap") }),
      client.subscribe({ stream: "s", consumer: "c" }, nothing, { onError: (_error, delivery) => delivery.term() }),
      // @ts-expect-error an event of a stream has no other verb
      client.subscribe({ stream: "s" }, nothing, { onError: (_error, event) => event.term() }),
    ]);
  });

  it("is the name of an error, and by it what its data holds", () => {
    expectTypeOf<DurableStreamError["name"]>().toEqualTypeOf<ErrorName>();
    compile((error?: DurableStreamError) => [
      error?.name === "Conflict" && error.data.lastSequence?.toFixed(),
      error?.name === "InvalidParams" && error.data.issues.map(({ path }) => path),
      error?.name === "NotFound" && error.data.what?.toUpperCase(),
      // @ts-expect-error whose data it is is not known
      error?.data.lastSequence,
      // @ts-expect-error of another error
      error?.name === "Busy" && error.data.lastSequence,
      // @ts-expect-error of another error
      new DurableStreamError("Busy", "busy", { data: { revision: 1 } }),
      // @ts-expect-error a fact that is always there
      new DurableStreamError("TooLarge", "large", { data: { limit: 1 } }),
    ]);
  });

  it("is that the WebSocket of Node.js and that of the package ws will do", () => {
    expectTypeOf<typeof WebSocket>().toExtend<WebSocketConstructor>();
    expectTypeOf<typeof WsWebSocket>().toExtend<WebSocketConstructor>();
  });
});

type Order = { item: string; count?: number };
type Chat = { text: string };
type Streams = { orders: Order; [room: `room.${string}`]: Chat };

declare const typed: DurableStream<Streams>;
declare const bound: DurableStreamsBinding<Streams>;
declare const orders: StandardSchema<Order>;

describe("a map of streams", () => {
  it("says what may be published to each", () => {
    compile(() => [
      typed.publish({ stream: "orders", data: { item: "tea" }, subject: "a" }),
      typed.publish({ stream: "room.1", data: { text: "hello" } }, { timeoutMs: 1 }),
      typed.publishBatch({ stream: "orders", messages: [{ data: { item: "tea" }, subject: "a" }], id: "1" }),
      // @ts-expect-error of another stream
      typed.publish({ stream: "orders", data: { text: "hello" } }),
      // @ts-expect-error a field that an order does not have
      typed.publish({ stream: "orders", data: { item: "tea", size: 5 } }),
      // @ts-expect-error no such stream
      typed.publish({ stream: "order", data: { item: "tea" } }),
      // @ts-expect-error a param that is misspelt
      typed.publish({ stream: "orders", data: { item: "tea" }, subjet: "a" }),
      // @ts-expect-error of another type
      typed.publishBatch({ stream: "orders", messages: [{ data: { item: "tea" } }, { data: { item: 5 } }] }),
      // @ts-expect-error misspelt within
      typed.publishBatch({ stream: "orders", messages: [{ data: { item: "tea" }, subjet: "a" }] }),
    ]);
  });

  it("says what data is where it is read", () => {
    compile(async () => [
      expectTypeOf((await typed.getMessages({ stream: "orders" })).messages[0]?.data).toEqualTypeOf<
        Order | undefined
      >(),
      expectTypeOf((await typed.fetchMessages({ stream: "orders", consumer: "c" })).messages[0]).toExtend<
        { data: Order; deliveryCount: number } | undefined
      >(),
      // @ts-expect-error no such stream
      typed.getMessages({ stream: "order" }),
      // @ts-expect-error a param that is misspelt
      typed.getMessages({ stream: "orders", form: "first" }),
    ]);
  });

  it("says what data is where it is followed", () => {
    compile(() => [
      typed.subscribe({ stream: "orders" }, (event) => {
        expectTypeOf(event).toEqualTypeOf<StreamEvent<Order>>();
      }),
      typed.subscribe({ stream: "room.1", from: "new" }, (event) => {
        expectTypeOf(event).toEqualTypeOf<StreamEvent<Chat>>();
      }),
      typed.subscribe({ stream: "orders", consumer: "c" }, (job) => {
        expectTypeOf(job.data).toEqualTypeOf<Order>();
        job.nak();
      }),
      // @ts-expect-error no such stream
      typed.subscribe({ stream: "order" }, nothing),
      // @ts-expect-error not what an order is
      typed.subscribe({ stream: "orders" }, (_event: StreamEvent<Chat>) => undefined),
    ]);
    expectTypeOf(() => typed.subscribe({ stream: "orders" })).returns.toEqualTypeOf<Subscription<StreamEvent<Order>>>();
    expectTypeOf(() => typed.subscribe({ stream: "orders", consumer: "c" })).returns.toEqualTypeOf<
      Subscription<ConsumerDelivery<Order>>
    >();
  });

  it("says the same of a service binding", () => {
    compile(() => [
      bound.publish({ stream: "orders", data: { item: "tea" } }),
      bound.subscribe({ stream: "orders" }, ({ messages: [message] }) => {
        expectTypeOf(message?.data).toEqualTypeOf<Order | undefined>();
      }),
      // @ts-expect-error of another stream
      bound.publish({ stream: "orders", data: { text: "hello" } }),
      // @ts-expect-error no such stream
      bound.subscribe({ stream: "order" }, nothing),
    ]);
  });

  it("fits where a client of any streams does", () => {
    compile(() => [
      ((any: DurableStream) => any.state)(typed),
      ((any: DurableStreamsBinding) => any.getServerInfo())(bound),
    ]);
  });
});

describe("a schema", () => {
  it("says what data is, whatever was known of the stream", () => {
    compile(() => [
      client.subscribe({ stream: "s" }, (event) => void expectTypeOf(event).toEqualTypeOf<StreamEvent<Order>>(), {
        schema: orders,
      }),
      client.subscribe({ stream: "s", consumer: "c" }, ({ data }) => void expectTypeOf(data).toEqualTypeOf<Order>(), {
        schema: orders,
        onError: (_error, job) => {
          expectTypeOf(job.data).toBeUnknown();
          job.term();
        },
      }),
      // @ts-expect-error not what the schema makes
      client.subscribe({ stream: "s" }, (_event: StreamEvent<Chat>) => undefined, { schema: orders }),
      // @ts-expect-error no schema
      client.subscribe({ stream: "s" }, nothing, { schema: {} }),
    ]);
    expectTypeOf(() => client.subscribe({ stream: "s" }, { schema: orders })).returns.toEqualTypeOf<
      Subscription<StreamEvent<Order>>
    >();
  });

  it("of valibot is one, and says what it makes of data", () => {
    const valibot = v.object({ at: v.pipe(v.string(), v.toDate()) });
    expectTypeOf(() => client.subscribe({ stream: "s" }, { schema: valibot })).returns.toEqualTypeOf<
      Subscription<StreamEvent<{ at: Date }>>
    >();
  });
});
