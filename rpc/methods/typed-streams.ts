import type { MethodParams, MethodResult } from "./methods.ts";

/** Streams of which nothing is known: any name, and any data. */
export type AnyStreams = Readonly<Record<string, unknown>>;

/**
 * The names of streams: the keys of a map from names to the type that their data has. A key may be a pattern.
 *
 * @example { orders: Order; [room: `room.${string}`]: Chat }
 */
export type NameIn<Streams extends object> = Extract<keyof Streams, string>;

/** Params of `publish` to a stream whose data is known. */
export type PublishTo<Stream extends string, Data> = MethodParams<"publish"> & { stream: Stream; data: Data };

/** Params of `publishBatch` to a stream whose data is known. */
export type PublishBatchTo<Stream extends string, Data> = Omit<MethodParams<"publishBatch">, "messages"> & {
  stream: Stream;
  messages: (Omit<MethodParams<"publishBatch">["messages"][number], "data"> & { data: Data })[];
};

/** A result with messages whose data is known. */
export type MessagesOf<Method extends "getMessages" | "fetchMessages", Data> = Omit<
  MethodResult<Method>,
  "messages"
> & {
  messages: (Omit<MethodResult<Method>["messages"][number], "data"> & { data: Data })[];
};
