import { LIMITS, RpcError, traitsOf } from "../../rpc/index.ts";
import { utf8Bytes } from "../internal/message-text.ts";
import type { CallContext } from "../methods/context.ts";
import { errorText, reportError } from "../platform/error-response.ts";
import type { PublishPlace } from "../publishing/publish-order.ts";

import type { CallFlow } from "./call-flow.ts";
import { isCall, readFrame } from "./frame.ts";
import type { Call, Frame, Malformed } from "./frame.ts";
import { run } from "./server.ts";

/** A call that was refused before it began; nothing is answered where there is no id. */
type Refused = ReturnType<typeof reportError> & { id: Call["id"] };
type Element = Call | Malformed | Refused;
/** An element, and the place among its caller's publishes of one that publishes. */
type Entry = { element: Element; place: PublishPlace | undefined };
/** Who sent the frame; a socket has a flow. */
type Caller = { context: CallContext; flow: CallFlow | undefined };

/**
 * Answers a frame: every request in it that has an id exactly once. A batch runs in order, a call beginning when those
 * before it are answered, but for neighbouring publishes and acks, which go together. Once its answers are large, the
 * calls that are left are refused and not begun, but for those: their answers are small, and whether a publish is refused
 * does not depend on what it is sent with.
 *
 * @param flow Of a socket: counts its calls and keeps its publishes in order.
 * @returns The text to send; undefined when there is nothing to answer. Never rejects.
 */
export async function answer(text: string, context: CallContext, flow?: CallFlow): Promise<string | undefined> {
  const frame = readFrame(text);
  const caller = { context, flow };
  const entries = frame.elements.map((element) => admit(element, caller));
  const texts = (await runEntries(entries, frame, caller)).filter((response) => response !== undefined);
  await leavePlaces(entries);
  if (!frame.isBatch) {
    return texts[0];
  }
  return texts.length === 0 ? undefined : `[${texts.join(",")}]`;
}

/** Runs the calls of a frame; tells what each is answered. */
async function runEntries(
  entries: readonly Entry[],
  { isBatch }: Frame,
  caller: Caller,
): Promise<(string | undefined)[]> {
  const turn = caller.flow?.turnFor(entries.filter(({ element }) => isPublish(element)).length);
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

/** The publishes of a frame are answered: together, as the frame is; what is to be sent again, when all behind it has come. */
async function leavePlaces(entries: readonly Entry[]): Promise<void> {
  if (entries.some(({ place }) => place?.isToRepeat === true)) {
    // Fires when every socket that was readable has been read.
    await scheduler.wait(0);
  }
  entries.forEach(({ place }) => place?.leave());
}

/** Counts a call as in flight from the moment its frame is read, or refuses it. A publish has its place from then on. */
function admit(element: Call | Malformed, { context, flow }: Caller): Entry {
  const stream = isPublish(element) ? streamOf(element, context) : undefined;
  const place = stream === undefined ? undefined : context.order.enter(stream);
  if (!isCall(element) || !isCounted(element) || flow?.enter() !== false) {
    return { element, place };
  }
  place?.hold();
  const busy = new RpcError("Busy", "too many requests in flight", { limit: LIMITS.requestsInFlight });
  return { element: { id: element.id, ...reportError(busy) }, place };
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

/** Two thousand bytes can ask for fifty pages of a log: what is beyond a few of them is not read. */
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

/** An ack refused as a notification would be lost in silence, and its messages sent again. */
function isCounted(call: Call): boolean {
  return traitsOf(call.method)?.gathered !== "ack";
}

/** The stream that a publish names, before its params are checked. */
function streamOf({ params = {} }: Call, { defaultStream }: CallContext): string | undefined {
  return "stream" in params && typeof params.stream === "string" ? params.stream : defaultStream;
}

function isPublish(element: Element): element is Call {
  return isCall(element) && traitsOf(element.method)?.gathered === "publish";
}
