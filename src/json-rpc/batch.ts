import { LIMITS, RpcError, traitsOf } from "../../rpc/index.ts";
import { utf8Bytes } from "../internal/message-text.ts";
import type { CallContext } from "../methods/context.ts";
import { errorText, reportError } from "../platform/error-response.ts";
import { queueFullError } from "../publishing/publish-budget.ts";
import type { PublishPlace } from "../publishing/publish-order.ts";

import type { CallFlow, Turn } from "./call-flow.ts";
import { isCall, readFrame } from "./frame.ts";
import type { Call, Frame, Malformed } from "./frame.ts";
import { run } from "./server.ts";

/** A call that was refused before it began; without an id it is not answered. */
type Refused = ReturnType<typeof reportError> & { id: Call["id"] };
type Element = Call | Malformed | Refused;
/** An element; a publish has a place among the publishes of its caller. */
type Entry = { element: Element; place: PublishPlace | undefined };
/** Who sent the frame. Only a socket has a flow. */
type Caller = { context: CallContext; flow: CallFlow | undefined };

/**
 * Answers a frame: every request with an id exactly once.
 *
 * A batch runs in order: a call begins when the calls before it are answered. Neighbouring publishes and acks are the
 * exception; they begin together. When the answers of a batch exceed `LIMITS.batchAnswerBytes`, the remaining calls are
 * refused. Publishes and acks are not: their answers are small, and what a batch contains must not decide whether a
 * message is stored.
 *
 * @param flow Counts the calls of a socket and keeps its publishes in order; left out for other callers.
 * @returns The text to send; undefined when there is nothing to answer. Never rejects.
 */
export async function answer(text: string, context: CallContext, flow?: CallFlow): Promise<string | undefined> {
  const frame = readFrame(text);
  const caller = { context, flow };
  const admitted = frame.elements.map((element) => admit(element, caller));
  const turn = flow?.turnFor(admitted.filter(({ element }) => isPublish(element)).length, text);
  const isFull = turn === "full";
  const entries = isFull ? admitted.map((entry) => refusePublish(entry, caller)) : admitted;
  const answers = await runEntries(entries, frame, { ...caller, turn: isFull ? undefined : turn });
  const texts = answers.filter((response) => response !== undefined);
  await leavePlaces(entries);
  if (!frame.isBatch) {
    return texts[0];
  }
  return texts.length === 0 ? undefined : `[${texts.join(",")}]`;
}

/** Runs the calls of a frame; returns their answers in order. */
async function runEntries(
  entries: readonly Entry[],
  { isBatch }: Frame,
  { turn, ...caller }: Caller & { turn: Turn | undefined },
): Promise<(string | undefined)[]> {
  if (turn?.before !== undefined) {
    await turn.before;
  }
  const answers: Promise<string | undefined>[] = [];
  let answerBytes = 0;
  let isPipelining = true;
  for (const entry of entries) {
    const { element } = entry;
    const isPipelined = isCall(element) && traitsOf(element.method)?.gathered !== undefined;
    if (answers.length > 0 && !(isPipelined && isPipelining)) {
      await Promise.all(answers);
    }
    isPipelining = isPipelined;
    const isBegun = isPipelined || answerBytes < LIMITS.batchAnswerBytes;
    const answered = isBegun ? answerEntry(entry, caller) : refuseEntry(entry, caller);
    answers.push(
      answered.then((response) => {
        answerBytes += isBatch && response !== undefined ? utf8Bytes(response) : 0;
        return response;
      }),
    );
    if (isPublish(element)) {
      turn?.begun();
    }
  }
  return Promise.all(answers);
}

/**
 * Gives up the places of the publishes of a frame, which are answered together. When one has to be sent again, it waits
 * for the frames that the client has sent behind it.
 */
async function leavePlaces(entries: readonly Entry[]): Promise<void> {
  if (entries.some(({ place }) => place?.isToRepeat === true)) {
    // Resumes when every readable socket was read.
    await scheduler.wait(0);
  }
  entries.forEach(({ place }) => place?.leave());
}

/** Counts a call as in flight from when its frame is read, or refuses it. A publish takes its place here. */
function admit(element: Call | Malformed, { context, flow }: Caller): Entry {
  const stream = isPublish(element) ? streamOf(element, context) : undefined;
  const place = stream === undefined ? undefined : context.order.enter(stream);
  if (!isCall(element) || !isCounted(element) || flow?.enter() !== false) {
    return { element, place };
  }
  const busy = new RpcError("Busy", "too many requests in flight", { limit: LIMITS.requestsInFlight });
  return refused(element, place, busy);
}

/** Refuses a publish of a frame that would have to wait for its turn, when too much waits already. */
function refusePublish({ element, place }: Entry, { flow }: Caller): Entry {
  if (!isPublish(element)) {
    return { element, place };
  }
  leave(element, flow);
  return refused(element, place, queueFullError());
}

/** A call that is answered with an error instead of being run; the publishes behind it are held. */
function refused({ id }: Call, place: PublishPlace | undefined, error: RpcError): Entry {
  place?.hold();
  return { element: { id, ...reportError(error) }, place };
}

async function answerEntry({ element, place }: Entry, { context, flow }: Caller): Promise<string | undefined> {
  try {
    if (!isCall(element)) {
      return element.id === undefined ? undefined : errorText(element.id, element);
    }
    return await run(element, place === undefined ? context : { ...context, place });
  } finally {
    leave(element, flow);
  }
}

/** Refuses a call of a batch whose answers are too large: a short batch could ask for fifty pages of a log. */
async function refuseEntry(entry: Entry, caller: Caller): Promise<string | undefined> {
  const { element } = entry;
  if (!isCall(element) || element.id === undefined) {
    return answerEntry(entry, caller);
  }
  leave(element, caller.flow);
  const data = { what: "batchAnswerBytes", limit: LIMITS.batchAnswerBytes };
  return errorText(element.id, reportError(new RpcError("TooLarge", "the batch has too large an answer", data)));
}

function leave(element: Element, flow: CallFlow | undefined): void {
  if (isCall(element) && isCounted(element)) {
    flow?.leave();
  }
}

/**
 * An ack is not counted: refused as a notification it would be lost without an answer, and its messages redelivered.
 */
function isCounted(call: Call): boolean {
  return traitsOf(call.method)?.gathered !== "ack";
}

/** The stream of a publish whose params are not checked yet. */
function streamOf({ params = {} }: Call, { defaultStream }: CallContext): string | undefined {
  return "stream" in params && typeof params.stream === "string" ? params.stream : defaultStream;
}

function isPublish(element: Element): element is Call {
  return isCall(element) && traitsOf(element.method)?.gathered === "publish";
}
