import type {
  CallOptions,
  ConsumerDelivery,
  Delivery,
  DurableStreamOptions,
  EpochChange,
} from "../../../rpc/client.ts";
import type { ConnectionChange, Gap, HandlerOptions, PutOptions } from "../../../rpc/client.ts";
import { CALLABLE_METHODS, LIMITS, METHODS, openRpcDocument } from "../../../rpc/index.ts";
import type { ErrorDataOf } from "../../../rpc/index.ts";

/** A line of a program, with a name in ‹marks›, and what an editor has to show of it beside its signature. */
export type Question = { readonly line: string; readonly words: readonly string[] };

/** Stands before the lines. */
export const HEAD = `
import { DurableStream, DurableStreamError } from "durable-stream/client";
import type { CallOptions, ConnectionChange, ConsumerDelivery, Delivery, DurableStreamOptions } from "durable-stream/client";
import type { EpochChange, Gap, HandlerOptions, PutOptions, StreamEvent } from "durable-stream/client";
import type { DurableStreamsBinding, ErrorDataOf } from "durable-stream";
declare const client: DurableStream;
declare const streams: DurableStreamsBinding;
declare const bytes: Uint8Array;
declare const error: unknown;
declare const event: StreamEvent;
declare const options: DurableStreamOptions;
declare const { queue, reconnect, ping }: Required<DurableStreamOptions>;
declare const all: {
  change: ConnectionChange; call: CallOptions; handler: HandlerOptions<Delivery>; put: PutOptions; message: Delivery;
  gap: Gap; epochChanged: EpochChange; job: ConsumerDelivery;
};
declare const data: ErrorDataOf;
`;

/** What someone who writes a program points at. */
export const POINTED_AT: readonly Question[] = [
  { line: "void client.‹publish›({ stream, data: 1 });", words: ["on disk", bytes(LIMITS.messageBytes), "@example"] },
  {
    line: 'void new ‹DurableStream›({ url: "https://example.com", token: "key" });',
    words: ["one WebSocket at a time", "in the order of the calls", "DurableStreamError", "@example"],
  },
  {
    line: 'client.‹subscribe›({ stream: "orders" }, () => undefined);',
    words: ["once and in order", "`maxInFlight`", "256 unless given", "`ackWaitMs`", "30,000 unless given", "@example"],
  },
  {
    line: 'void client.‹subscribe›({ stream: "orders", consumer: "packers" });',
    words: ["a share of a consumer", "`maxInFlight`", "256 unless given", "NotFound or EpochChanged", "@example"],
  },
  {
    line: 'void client.objects.‹put›("scans/17.tiff", bytes);',
    words: ["as a whole or not at all", bytes(LIMITS.objectBytes), "Conflict", "OutcomeUnknown", "@example"],
  },
  {
    line: 'void new DurableStream({ url: "", token: "", ‹publishTimeoutMs›: 1 });',
    words: ["in milliseconds", "not sent by then", "60,000"],
  },
  {
    line: 'void client.getState({ stream: "s" }, { ‹timeoutMs›: 1 });',
    words: ["in milliseconds", "Unavailable", "OutcomeUnknown", "30,000"],
  },
  { line: 'void client.subscribe({ stream: "s" }, { ‹ack›: "manual" });', words: ["auto", "manual", "`ack()`"] },
  { line: 'void (event.type === "gap" && event.‹reason›);', words: ["trimmed", "deleted", "skipped"] },
  {
    line: "void (error instanceof ‹DurableStreamError›);",
    words: ["`name`", "nothing was done", "OutcomeUnknown", "@example"],
  },
  {
    line: 'void (error instanceof DurableStreamError && error.name === "Conflict" && error.data.‹lastSequence›);',
    words: ["last sequence of the stream"],
  },
  { line: 'void streams.‹publish›({ stream: "orders", data: 1 });', words: ["on disk", "`duplicateWindowMs`"] },
  {
    line: 'void streams.‹subscribe›({ stream: "orders" }, () => undefined);',
    words: ["one delivery at a time", "billed", "NotFound", "@example"],
  },
];

/** Every method: its params, the errors of its own, and the numbers that its schema has. */
export const METHOD_QUESTIONS: readonly Question[] = CALLABLE_METHODS.map((name) => ({
  line: `void client${name.includes(".") ? `[‹"${name}"›]` : `.‹${name}›`};`,
  words: [...paramsOf(name), ...METHODS[name].errors],
}));

/** Every option, every field of an event, and all data of errors: something must be said of each. */
export const FIELD_QUESTIONS: readonly Question[] = [
  ...fields<DurableStreamOptions>("options", {
    url: true,
    token: true,
    WebSocket: true,
    fetch: true,
    onState: true,
    timeoutMs: true,
    publishTimeoutMs: true,
    producer: true,
    order: true,
    queue: true,
    reconnect: true,
    ping: true,
    connectTimeoutMs: true,
    answerTimeoutMs: true,
  }),
  ...fields<DurableStreamOptions["queue"]>("queue", { publishes: true, bytes: true }),
  ...fields<DurableStreamOptions["reconnect"]>("reconnect", { leastMs: true, mostMs: true }),
  ...fields<DurableStreamOptions["ping"]>("ping", { everyMs: true, deadAfterMs: true }),
  ...fields<ConnectionChange>("all.change", { state: true, reason: true, retryInMs: true }),
  ...fields<CallOptions>("all.call", { signal: true, timeoutMs: true }),
  ...fields<HandlerOptions<Delivery>>("all.handler", {
    ack: true,
    endsWithEpoch: true,
    onError: true,
    schema: true,
    signal: true,
    timeoutMs: true,
  }),
  ...fields<PutOptions>("all.put", {
    contentType: true,
    metadata: true,
    ifMatch: true,
    ifNoneMatch: true,
    sha256: true,
    signal: true,
    timeoutMs: true,
  }),
  ...fields<Omit<Delivery, "type">>("all.message", {
    sequence: true,
    publishedAt: true,
    subject: true,
    data: true,
    headers: true,
    id: true,
    epoch: true,
    ack: true,
  }),
  ...fields<Omit<Gap, "type">>("all.gap", { from: true, to: true, reason: true }),
  ...fields<Omit<EpochChange, "type">>("all.epochChanged", { epoch: true, reason: true }),
  ...fields<Omit<ConsumerDelivery, keyof Delivery>>("all.job", {
    deliveryCount: true,
    nak: true,
    term: true,
    working: true,
  }),
  ...fields<ErrorDataOf["Conflict"]>("data.Conflict", {
    lastSequence: true,
    revision: true,
    firstSequence: true,
    epoch: true,
    previousPublishedAt: true,
    producer: true,
    exists: true,
    etag: true,
    what: true,
    partNumber: true,
    from: true,
    filter: true,
    ackWaitMs: true,
    maxDeliver: true,
    maxInFlight: true,
    backoffMs: true,
  }),
  ...fields<ErrorDataOf["TooLarge"]>("data.TooLarge", { what: true, limit: true, size: true, use: true }),
  ...fields<ErrorDataOf["RateLimited"]>("data.RateLimited", { retryAfterMs: true, limit: true }),
];

/** One question for each field of a type; one that is left out, or too many, does not compile. */
function fields<T>(of: string, names: Readonly<Record<keyof Required<NonNullable<T>>, true>>): Question[] {
  return Object.keys(names).map((name) => ({ line: `void ${of}.‹${name}›;`, words: [] }));
}

/** Names of params as they stand in text, and the defaults and bounds of those that are numbers. */
function paramsOf(name: string): string[] {
  const params = openRpcDocument("0").methods.find((method) => method.name === name)?.params ?? [];
  return params.flatMap((param) => {
    const { default: value, maximum }: { default?: unknown; maximum?: number } = Object(param.schema);
    const numbers = [value, maximum].filter((number) => typeof number === "number" && number < Number.MAX_SAFE_INTEGER);
    return [`\`${param.name}\``, ...numbers.map((number) => bytes(Number(number)))];
  });
}

/** A number as it stands in text. */
function bytes(number: number): string {
  return number.toLocaleString("en-US");
}
