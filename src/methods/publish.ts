import { ALTERNATIVES, ErrorCode, LIMITS, RpcError } from "../../rpc/index.ts";
import type { CheckedParams, Expect, Producer } from "../../rpc/index.ts";
import type { Published, PublishRequest } from "../internal/calls.ts";
import { JsonText } from "../internal/json-text.ts";
import { messageBody, utf8Bytes } from "../internal/message-text.ts";
import { refusalError } from "../platform/refused.ts";

import type { Handlers } from "./context.ts";

/** The methods that publish. */
export type PublishMethod = "publish" | "publishBatch";

/** A publish whose params are checked. */
export type CheckedPublish =
  | { readonly method: "publish"; readonly params: CheckedParams<"publish"> }
  | { readonly method: "publishBatch"; readonly params: CheckedParams<"publishBatch"> };

export const publishHandlers: Handlers<PublishMethod> = {
  publish: (params, context) => publishAlone({ method: "publish", params }, context.publish),
  publishBatch: (params, context) => publishAlone({ method: "publishBatch", params }, context.publish),
};

/** A publish that keeps no order with others of its caller. */
async function publishAlone(
  publish: CheckedPublish,
  store: Parameters<(typeof publishHandlers)["publish"]>[1]["publish"],
): Promise<JsonText> {
  const { stream } = publish.params;
  const [outcome] = await store(stream, { requests: [publishRequest(publish)], lane: undefined, orders: [] });
  if (outcome === undefined || outcome instanceof RpcError) {
    throw outcome ?? new Error("a publish without an outcome");
  }
  return new JsonText(publishResult(publish.method, stream, outcome));
}

/**
 * What a publish sends to its stream.
 *
 * @throws RpcError InvalidParams for both a producer and an id, and for sequences that are no safe integers; TooLarge.
 */
export function publishRequest({ method, params }: CheckedPublish): PublishRequest {
  const { id, producer, expect, epoch } = params;
  const messages = method === "publish" ? [params] : params.messages;
  if (producer !== undefined) {
    checkProducer(producer, id, messages.length);
  }
  const bodies = messages.map(messageBody);
  const bytes = bodies.map(utf8Bytes);
  if (bytes.some((size) => size > LIMITS.messageBytes)) {
    const data = { what: "messageBytes", limit: LIMITS.messageBytes, use: ALTERNATIVES.publish };
    const refusal = { code: ErrorCode.TooLarge, message: "a message is too large", data };
    if (id === undefined) {
      throw refusalError(refusal);
    }
    // Only the stream knows whether a message with this id is stored already.
    return { bodies: [], bytes: [], id, expected: undefined, refusal };
  }
  const request: PublishRequest = { bodies, bytes, id, expected: expectation(expect, epoch) };
  if (producer !== undefined) {
    const { id: name, sequence, epoch: ofProducer = 0, after } = producer;
    request.producer = { id: name, epoch: ofProducer, sequence };
    if (after !== undefined) {
      request.producer.after = after;
    }
  }
  return request;
}

/** The result of a publish that was stored, as JSON text. Names of streams and epochs need no escaping. */
export function publishResult(method: PublishMethod, stream: string, stored: Published): string {
  const { epoch, firstSequence, publishedAt, duplicate, ranges } = stored;
  if (method === "publish") {
    const approximate = ranges?.[0]?.approximate === true ? ',"approximate":true' : "";
    return `{"stream":"${stream}","epoch":"${epoch}","sequence":${firstSequence},"publishedAt":${publishedAt},"duplicate":${duplicate}${approximate}}`;
  }
  const isTogether = ranges === undefined || (ranges.length === 1 && ranges[0]?.approximate === undefined);
  return JSON.stringify({ stream, ...stored, ranges: isTogether ? undefined : ranges });
}

function expectation(expect: Expect | undefined, epoch: string | undefined): PublishRequest["expected"] {
  const lastSequence = expect?.lastSequence;
  return lastSequence === undefined && epoch === undefined ? undefined : { lastSequence, epoch };
}

function checkProducer(producer: Producer, id: string | undefined, messages: number): void {
  if (id !== undefined) {
    throw invalid("producer", "must not be given beside an id: either tells a repetition");
  }
  if (producer.sequence > Number.MAX_SAFE_INTEGER - (messages - 1)) {
    throw invalid("producer.sequence", "must leave room for all messages of the batch below 2^53");
  }
}

function invalid(path: string, reason: string): RpcError {
  return new RpcError("InvalidParams", `${path} ${reason}`, { issues: [{ path, reason }] });
}
