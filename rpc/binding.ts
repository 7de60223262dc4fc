import type { ContractMethods } from "./contract-methods.ts";
import type { MethodParams, MethodResult } from "./methods.ts";
import type { GapNotification, MessagesNotification } from "./notifications.ts";
import type { SubscribeParams, SubscribeResult } from "./subscription.ts";

/**
 * What another Worker sees of this one through a service binding: types, and `bindingError` for what its calls are
 * rejected with. Nothing here brings the contract's schemas along into the caller.
 */

export type { BindingProps } from "./binding-contract.ts";
export { bindingError } from "./binding-error.ts";
export { DurableStreamError } from "./client/error.ts";

/** What `putObject` takes besides text. */
export type StreamedPut = Omit<MethodParams<"putObject">, "data" | "encoding"> & {
  /** Bytes. Between two Workers a stream loses what is known of its length. */
  data: ReadableStream;
  /**
   * How many bytes `data` has: up to `objectBytes`, which go to R2 as they come. Without it they wait in parts, in a
   * Durable Object, and may be `uploadParts` of `objectBodyBytes`.
   */
  size?: number;
};

/** Asks `getObject` for the body as a stream, however large it is. */
export type StreamedGet = Omit<MethodParams<"getObject">, "encoding"> & { encoding: "stream" };

/** What a {@link StreamedGet} gets. */
export type StreamedObject = Omit<MethodResult<"getObject">, "data" | "encoding"> & { data: ReadableStream };

/** A message as a follower gets it; one of a consumer carries `deliveryCount`. */
export type BindingMessage = MessagesNotification["messages"][number];

/** What a follower is called with: messages in the stream's order, or in their place what is to be known of it. */
export type BindingDelivery = {
  /** In the stream's order, or in that of a consumer's deliveries; empty beside `gap` and `epochChanged`. */
  messages: BindingMessage[];
  /** Sequences that will not come: as the notification of that name, or skipped before they were asked for. */
  gap?: { from: number; to: number; reason: GapNotification["reason"] | "skipped" };
  /**
   * The stream was deleted, or restored to an earlier state: what it is now is followed from its first message, and
   * sequences start again.
   */
  epochChanged?: { epoch: string; reason: "deleted" | "restored" };
};

/**
 * Why following is over: a consumer was deleted, alone or with its stream, or is another one since its stream was made
 * again or restored (`epochChanged`); `unsubscribed` by the caller; `handlerFailed` when a call of it threw or could not
 * be made, and four more did not help; `refused` when the server would not go on after a connection was lost.
 */
export type BindingClosed = {
  reason: "consumerDeleted" | "streamDeleted" | "epochChanged" | "unsubscribed" | "handlerFailed" | "refused";
};

/** A stream being followed. It ends by `unsubscribe`, when its stub is disposed of, and with the caller itself. */
export type BindingSubscription = {
  /** Ends it. The handler is not called again; what it was doing goes on. */
  unsubscribe(): Promise<void>;
  /** Waits for the end, and tells why it came. */
  whenClosed(): Promise<BindingClosed>;
};

/** What `subscribe` of the contract answers, with a handle in the place of the subscription's number. */
export type BindingSubscribeResult = Omit<SubscribeResult, "subscription"> & { subscription: BindingSubscription };

/**
 * The type of a service binding to the entrypoint `DurableStreams`: the methods of the contract that need no socket, and
 * `subscribe`. A call rejects with an Error that has the `code` of `ErrorCode`, and `data` if any; what crosses from one
 * process to another, as between two of `wrangler dev`, loses both: {@link bindingError} tells them in either case.
 *
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
export type DurableStreamsBinding = ContractMethods & {
  /**
   * Stores an object whose `data` is a stream: with its `size`, up to 5,363,466,240 bytes go to R2 as they come; without,
   * up to 768,000,000 wait in parts.
   */
  putObject(params: StreamedPut): Promise<MethodResult<"putObject">>;
  /** Reads an object of any size as a stream, with the encoding `"stream"`. */
  getObject(params: StreamedGet): Promise<StreamedObject>;
  /**
   * Follows a stream live: `onMessages` is called with what comes, once at a time, and what it has returned from is
   * acked. Params and order are those of `subscribe` in the contract, and the first call may come before the answer. It
   * follows as the client does: a lost connection is made again and goes on after the last message handled, so nothing is
   * missed while this lives, and repeated only when a call throws, which is made again after a pause; and a stream that
   * is deleted, or restored to an earlier state, is followed into its next life, of which a call tells.
   *
   * What it costs: a kept callback keeps both sides awake and billed for their time, this Worker and the caller, and a
   * Durable Object that follows does not hibernate. Where that is not wanted, make a consumer and call `fetchMessages`
   * from an alarm or a cron trigger: nothing is awake in between.
   *
   * @throws What `subscribe` of the contract answers: NotFound, EpochChanged, LimitReached, InvalidParams.
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
  subscribe(
    params: SubscribeParams,
    onMessages: (delivery: BindingDelivery) => void | Promise<void>,
  ): Promise<BindingSubscribeResult>;
};
