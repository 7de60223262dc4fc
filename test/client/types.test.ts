import { describe, expectTypeOf, it } from "vitest";
import type { WebSocket as WsWebSocket } from "ws";

import { DurableStreamError } from "../../rpc/client.ts";
import type {
  CallOptions,
  ConsumerDelivery,
  Delivery,
  DurableStream,
  PutOptions,
  StreamEvent,
  WebSocketConstructor,
} from "../../rpc/client.ts";
import type {
  CallableMethod,
  ConsumerMessage,
  ContractMethods,
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
    expectTypeOf<ContractMethods<[options?: CallOptions]>>().toEqualTypeOf<{
      [M in CallableMethod]: (...args: [...Of<M>, options?: CallOptions]) => Promise<MethodResult<M>>;
    }>();
    expectTypeOf<ContractMethods>().toEqualTypeOf<{
      [M in CallableMethod]: (...args: Of<M>) => Promise<MethodResult<M>>;
    }>();
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
