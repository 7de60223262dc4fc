import { RpcError } from "../../rpc/index.ts";
import type { MethodName } from "../../rpc/index.ts";
import { callersName } from "../access/prefix.ts";
import { naming } from "../errors/answered-errors.ts";
import type { CallContext } from "../methods/context.ts";
import { publishRequest, publishResult } from "../methods/publish.ts";
import type { CheckedPublish, PublishMethod } from "../methods/publish.ts";
import type { Published, PublishRequest } from "../internal/calls.ts";
import { errorText } from "../platform/error-response.ts";
import { heldError } from "../publishing/publish-order.ts";
import type { PublishLane } from "../publishing/publish-order.ts";

import { dispatch, paramsOf } from "./dispatch.ts";
import { reportFailed } from "./failed-call.ts";
import type { Call } from "./frame.ts";
import { resultText } from "./server.ts";

/** The place of a publish: its caller's lane to the stream, and its number there. No lane when it names no stream. */
export type LanePlace = { readonly lane: PublishLane | undefined; readonly order: number };

/** A call that publishes. */
export type Publish = { readonly kind: "publish"; readonly call: Call } & LanePlace;

/** A call that acknowledges messages. */
export type Ack = { readonly kind: "ack"; readonly call: Call; readonly method: MethodName };

/** The publishes of a frame to one stream. */
type StreamPublishes = {
  readonly stream: string;
  readonly lane: PublishLane | undefined;
  readonly requests: PublishRequest[];
  readonly orders: number[];
  /** Which calls of the frame they are. */
  readonly indices: number[];
};

/**
 * Begins neighbouring publishes and acks of a frame together, and answers them when all are done.
 *
 * They are nearly all that a busy server gets, so they do not go through json-rpc-2.0, which costs several promises for
 * each call: the publishes of a frame share one promise for each stream. They are checked as every call is, and answered
 * as the library would (`test/json-rpc` holds both to the same).
 *
 * @returns Their answers in order, undefined for a notification. When it returns, all of them have begun.
 */
export async function runGathered(
  calls: readonly (Publish | Ack)[],
  context: CallContext,
): Promise<(string | undefined)[]> {
  const answers = Array.from<string | undefined>({ length: calls.length });
  const running: Promise<void>[] = [];
  const byStream = new Map<string, StreamPublishes>();
  for (const [index, entry] of calls.entries()) {
    if (entry.kind === "ack") {
      running.push(runAck(entry, context).then((text) => void (answers[index] = text)));
    } else {
      answers[index] = gather(entry, index, { byStream, context });
    }
  }
  for (const publishes of byStream.values()) {
    running.push(runPublishes(publishes, calls, { answers, context }));
  }
  await Promise.all(running);
  return answers;
}

/** Checks a publish and puts it beside the others to its stream. @returns The answer to one that is refused. */
function gather(
  { call, lane, order }: Publish,
  index: number,
  { byStream, context }: { byStream: Map<string, StreamPublishes>; context: CallContext },
): string | undefined {
  try {
    const publish = checkedPublish(call, context);
    if (lane?.isHeld(order) === true) {
      throw heldError();
    }
    const refusal = context.publishRate?.take(publish.method === "publish" ? 1 : publish.params.messages.length);
    if (refusal !== undefined) {
      lane?.failed(order, refusal);
      throw refusal;
    }
    const request = publishRequest(publish);
    const { requests, orders, indices } = publishesTo(publish.params.stream, lane, byStream);
    requests.push(request);
    orders.push(order);
    indices.push(index);
    return undefined;
  } catch (error) {
    return answerError(call, error, context);
  }
}

function publishesTo(
  stream: string,
  lane: PublishLane | undefined,
  byStream: Map<string, StreamPublishes>,
): StreamPublishes {
  let publishes = byStream.get(stream);
  if (publishes === undefined) {
    publishes = { stream, lane, requests: [], orders: [], indices: [] };
    byStream.set(stream, publishes);
  }
  return publishes;
}

async function runPublishes(
  publishes: StreamPublishes,
  calls: readonly (Publish | Ack)[],
  { answers, context }: { answers: (string | undefined)[]; context: CallContext },
): Promise<void> {
  const { stream, indices } = publishes;
  const outcomes = await context.publish(stream, publishes);
  const { prefix } = context.access;
  const name = callersName(prefix, stream);
  for (const [at, outcome] of outcomes.entries()) {
    const index = indices[at] ?? 0;
    const call = calls[index]?.call;
    if (call !== undefined) {
      answers[index] =
        outcome instanceof RpcError
          ? answerError(call, naming(outcome, { stream }, prefix), context)
          : answerStored(call, name, outcome);
    }
  }
}

function answerStored({ id, method }: Call, stream: string, stored: Published): string | undefined {
  return id === undefined ? undefined : resultText(id, publishResult(publishMethod(method), stream, stored));
}

async function runAck({ call, method }: Ack, context: CallContext): Promise<string | undefined> {
  const { id, params } = call;
  const isNotification = id === undefined;
  try {
    const result = await dispatch(method, params, isNotification ? { ...context, isNotification } : context);
    return isNotification ? undefined : resultText(id, JSON.stringify(result));
  } catch (error) {
    return answerError(call, error, context);
  }
}

/** The answer to a call that failed; undefined for a notification. It is logged for both. */
function answerError(call: Call, error: unknown, { defaultStream }: CallContext): string | undefined {
  const reported = reportFailed(call, error, defaultStream);
  return call.id === undefined ? undefined : errorText(call.id, reported);
}

/** Checks the params of a publish that its caller may make. @throws RpcError Unauthenticated, InvalidParams, Forbidden. */
function checkedPublish(call: Call, context: CallContext): CheckedPublish {
  context.expectLive();
  const method = publishMethod(call.method);
  return method === "publish"
    ? { method, params: paramsOf(method, call.params, context) }
    : { method, params: paramsOf(method, call.params, context) };
}

function publishMethod(name: string): PublishMethod {
  return name === "publishBatch" ? "publishBatch" : "publish";
}
