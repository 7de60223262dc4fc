import type { ContractMethods } from "./methods/contract-methods.ts";
import type { MethodParams, MethodResult } from "./methods/methods.ts";
import type { AnyStreams, NameIn } from "./methods/typed-streams.ts";
import type { GapNotification, MessagesNotification } from "./methods/notifications.ts";
import type { SubscribeParams, SubscribeResult } from "./schemas/subscription.ts";

/**
 * What another Worker needs to call this one through a service binding: the types, and `bindingError` for the errors of its
 * calls. Nothing here bundles the contract's schemas into the caller.
 */

export type { BindingProps } from "./binding-contract.ts";
export { bindingError } from "./binding-error.ts";
export { DurableStreamError } from "./client/error.ts";

/** Params of `putObject` with a stream as the body. */
export type StreamedPut = Omit<MethodParams<"putObject">, "data" | "encoding"> & {
  /** The body. A stream loses its known length between two Workers. */
  data: ReadableStream;
  /**
   * Length of `data` in bytes, up to 5,363,466,240, which are streamed to R2. Without it the body is stored in parts in a
   * Durable Object first, and may have up to 768,000,000 bytes.
   */
  size?: number;
};

/** Params of `getObject` for a body of any size as a stream. */
export type StreamedGet = Omit<MethodParams<"getObject">, "encoding"> & { encoding: "stream" };

/** The result of a {@link StreamedGet}. */
export type StreamedObject = Omit<MethodResult<"getObject">, "data" | "encoding"> & { data: ReadableStream };

/** A message of a subscription. One of a consumer has `deliveryCount`. */
export type BindingMessage<Data = unknown> = Omit<MessagesNotification["messages"][number], "data"> & { data: Data };

/** What the callback of a subscription is called with: messages, or a change of the stream. */
export type BindingDelivery<Data = unknown> = {
  /** In the stream's order, or in that of a consumer's deliveries; empty beside `gap` and `epochChanged`. */
  messages: BindingMessage<Data>[];
  /** Sequences that will not be delivered. `skipped`: `from` asked for them, but they were deleted before. */
  gap?: { from: number; to: number; reason: GapNotification["reason"] | "skipped" };
  /**
   * The stream was deleted, or restored to an earlier state. Its new epoch is followed from its first message, so
   * sequences start again.
   */
  epochChanged?: { epoch: string; reason: "deleted" | "restored" };
};

/**
 * Why a subscription has ended. `consumerDeleted`, `streamDeleted`: the consumer was deleted, alone or with its stream.
 * `epochChanged`: the stream was made again or restored, so the consumer is another one. `unsubscribed`: by the caller.
 * `handlerFailed`: the callback of a stream without a consumer threw or could not be called, five times in a row.
 * `refused`: the server refused to resume after a lost connection.
 */
export type BindingClosed = {
  reason: "consumerDeleted" | "streamDeleted" | "epochChanged" | "unsubscribed" | "handlerFailed" | "refused";
};

/** A live subscription. It ends by `unsubscribe`, when its stub is disposed of, and when the caller ends. */
export type BindingSubscription = {
  /** Ends it. The callback is not called again; a running call goes on. */
  unsubscribe(): Promise<void>;
  /** Resolves when it has ended, with the reason. */
  whenClosed(): Promise<BindingClosed>;
};

/** The result of `subscribe` of the contract, with a handle in place of the subscription's number. */
export type BindingSubscribeResult = Omit<SubscribeResult, "subscription"> & { subscription: BindingSubscription };

/**
 * The type of a service binding to the entrypoint `DurableStreams`: the methods of the contract that need no socket, and
 * `subscribe`. A call rejects with an Error that has a `code` of `ErrorCode`, and `data` if any. Between two processes of
 * `wrangler dev` both properties are lost: {@link bindingError} restores them in either case.
 *
 * @typeParam Streams The names of the streams with the types of their data, such as `{ orders: Order }`; any unless given.
 * @example
 * ```ts
 * import type { DurableStreamsBinding } from "durable-stream";
 *
 * interface Env { STREAMS: DurableStreamsBinding }
 *
 * export default {
 *   async fetch(request: Request, env: Env): Promise<Response> {
 *     const { sequence } = await env.STREAMS.publish({ stream: "orders", data: await request.json() });
 *     return new Response(String(sequence));
 *   },
 * };
 * ```
 */
export type DurableStreamsBinding<Streams extends object = AnyStreams> = ContractMethods<[], Streams> & {
  /**
   * Stores an object whose `data` is a stream: with its `size` up to 5,363,466,240 bytes, streamed to R2; without it up to
   * 768,000,000 bytes, in parts.
   */
  putObject(params: StreamedPut): Promise<MethodResult<"putObject">>;
  /** Reads an object of any size as a stream, with the encoding `"stream"`. */
  getObject(params: StreamedGet): Promise<StreamedObject>;
  /**
   * Follows a stream or takes a share of a consumer. `onMessages` is called with one delivery at a time, which is acked when
   * the call has returned; the first call may come before the result. Params and order are those of `subscribe` in the
   * contract.
   *
   * A lost connection is replaced, and delivery resumes after the last message that was handled. A delivery is repeated only
   * when its call throws, after a pause. When the stream is deleted, or restored to an earlier state, its new epoch is
   * followed, after a call with `epochChanged`.
   *
   * The callback keeps both Workers awake and billed for the duration, and a Durable Object that subscribes does not
   * hibernate. To avoid that, create a consumer and call `fetchMessages` from an alarm or a cron trigger.
   *
   * @throws The errors of `subscribe` in the contract: NotFound, Conflict, EpochChanged, LimitReached, InvalidParams.
   * @example
   * ```ts
   * const { subscription } = await env.STREAMS.subscribe({ stream: "orders", from: "new" }, async ({ messages }) => {
   *   for (const { sequence, data } of messages) {
   *     await store(sequence, data);
   *   }
   * });
   * const { reason } = await subscription.whenClosed();
   * ```
   */
  subscribe<S extends NameIn<Streams>>(
    params: SubscribeParams & { stream: S },
    onMessages: (delivery: BindingDelivery<Streams[S]>) => void | Promise<void>,
  ): Promise<BindingSubscribeResult>;
};
