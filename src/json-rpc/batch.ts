import { isMethodName, LIMITS, METHODS, RpcError } from "../../rpc/index.ts";
import type { MethodSpec } from "../../rpc/index.ts";
import type { CallContext } from "../methods/context.ts";
import { errorText } from "../platform/error-response.ts";
import type { ErrorObject } from "../platform/error-response.ts";
import { QUEUE_FULL } from "../publishing/publish-budget.ts";

import { Answer } from "./answer.ts";
import { answerBytes, FrameRoom } from "./answer-room.ts";
import type { AnswerRoom } from "./answer-room.ts";
import type { CallFlow, CallSize, HeldFrame, Turn } from "./call-flow.ts";
import { unknownMethod } from "../errors/answered-errors.ts";
import { logFailedCall, reportFailed, streamNamed } from "./failed-call.ts";
import { isCall, readFrame } from "./frame.ts";
import type { Call, Malformed } from "./frame.ts";
import { runGathered } from "./gathered.ts";
import type { Ack, LanePlace, Publish } from "./gathered.ts";
import { run } from "./server.ts";

/** A call that is run alone; `size` is what it counts as in flight. */
type Single = {
  readonly kind: "single";
  readonly call: Call;
  readonly size: CallSize;
  /** It reads, or subscribes: it may wait while what has come behind it does not. */
  readonly mayWait: boolean;
};

/** An element that is answered with an error; without an id it is not answered. It may have been a publish. */
type Refused = { readonly kind: "refused"; readonly id: Call["id"]; readonly error: ErrorObject } & LanePlace;

/** An element of a frame, as it is treated. */
type Entry = Publish | Ack | Single | Refused;

/** Neighbouring publishes and acks, which begin together, or one other element. */
type Step = { readonly kind: "gathered"; readonly calls: readonly (Publish | Ack)[] } | Single | Refused;

const ANSWER_TOO_LARGE = new RpcError("TooLarge", "the batch has too large an answer", {
  what: "batchAnswerBytes",
  limit: LIMITS.batchAnswerBytes,
});

/** What bounds a caller: its calls, which only a socket has, and its large answers. */
export type CallerBounds = { readonly flow?: CallFlow | undefined; readonly answers?: AnswerRoom | undefined };

/** Why a call is not run, and whose it is. */
type Failure = { readonly error: RpcError; readonly context: CallContext };

/** Who sent the frame, and what is answered to it. */
type Caller = CallerBounds & { readonly context: CallContext; readonly answer: Answer };

/**
 * Answers a frame: every request with an id exactly once.
 *
 * A batch runs in order: a call begins when the calls before it are answered. Neighbouring publishes and acks are the
 * exception; they begin together. When the answers of a batch exceed `LIMITS.batchAnswerBytes`, the remaining calls are
 * refused. Publishes and acks are not: their answers are small, and what a batch contains must not decide whether a
 * message is stored.
 *
 * @param bounds A flow counts the calls of a socket and keeps its publishes in order.
 * @returns What to send, to be cleared then. At once when none of it is run nor was a publish: who asks for more than it may
 *   is to cost little, and an async function leaves more to collect than a refusal is. Never rejects.
 */
export function answerFrame(text: string, context: CallContext, bounds: CallerBounds = {}): Answer | Promise<Answer> {
  const frame = readFrame(text);
  const { flow } = bounds;
  const caller: Caller = { ...bounds, context, answer: new Answer(frame.isBatch) };
  const held = flow?.holdFrame(text, frame.valueBytes);
  const admitted = frame.elements.map((element) => admit(element, held, caller));
  const turn = flow?.turnFor({ ...publishesOf(admitted), text });
  const entries = turn === "full" ? admitted.map((entry) => refusePublish(entry, caller)) : admitted;
  const gathered = entries.filter(isGathered).length;
  flow?.note({ gathered, others: entries.length - gathered, bytes: text.length + frame.valueBytes });
  if (entries.every(isRefusedCall)) {
    entries.forEach((entry) => caller.answer.add(refusalText(entry)));
    release(held, flow);
    return caller.answer;
  }
  return runFrame(entries, { ...caller, turn: turn === "full" ? undefined : turn }, held);
}

/** Runs what is not refused of a frame. */
async function runFrame(
  entries: readonly Entry[],
  caller: Caller & { turn: Turn | undefined },
  held: HeldFrame | undefined,
): Promise<Answer> {
  const { flow, answer } = caller;
  try {
    const waiting = turnToRead(entries, flow);
    const isDropped = waiting !== undefined && !(await waiting);
    if (!isDropped) {
      await runEntries(entries, caller);
    }
    await leaveLanes(entries, flow);
    return answer;
  } finally {
    release(held, flow);
  }
}

function release(held: HeldFrame | undefined, flow: CallFlow | undefined): void {
  if (held !== undefined) {
    flow?.releaseFrame(held);
  }
}

/**
 * The turn of a frame that only reads, while there are many; what is in a batch comes one after the other anyway.
 *
 * @returns Undefined when it may begin. False when its socket was closed meanwhile: it is not run.
 */
function turnToRead(entries: readonly Entry[], flow: CallFlow | undefined): Promise<boolean> | undefined {
  return entries.every((entry) => entry.kind === "single" && entry.mayWait) ? flow?.turnToRead() : undefined;
}

/** Counts a call as in flight from when its frame is read, or refuses it. A publish takes its place in its lane here. */
function admit(element: Call | Malformed, held: HeldFrame | undefined, caller: Caller): Entry {
  const { context, flow, answers } = caller;
  if (!isCall(element)) {
    const { id, ...error } = element;
    return failed({ id }, error, caller);
  }
  const { method } = element;
  if (!isMethodName(method)) {
    return failed(element, unknownMethod(method), caller);
  }
  const spec: MethodSpec = METHODS[method];
  if (spec.gathered === "ack") {
    // Not counted: refused as a notification it would be lost without an answer, and its messages redelivered.
    return { kind: "ack", call: element, method };
  }
  const isPublish = spec.gathered === "publish";
  const size = spec.largeAnswer === true ? "large" : "small";
  const stream = isPublish ? streamNamed(element, context.defaultStream) : undefined;
  const lane = stream === undefined ? undefined : context.order.lane(stream);
  const place = { lane, order: lane?.enter() ?? 0 };
  const unread = size === "large" ? answers?.refusalOf?.(answerBytes([method])) : undefined;
  const busy = unread ?? (held === undefined ? undefined : flow?.enter(size, held));
  if (busy !== undefined) {
    return refused(element, place, { error: busy, context });
  }
  if (isPublish) {
    return { kind: "publish", call: element, ...place };
  }
  return { kind: "single", call: element, size, mayWait: spec.reads === true || method === "subscribe" };
}

/** An element that is no call of a method that there is. */
function failed(call: Partial<Call>, error: ErrorObject, { context }: Caller): Refused {
  logFailedCall(call, error, context.defaultStream);
  return { kind: "refused", id: call.id, error, lane: undefined, order: 0 };
}

/** A call that is answered with an error instead of being run; the publishes behind it are held. */
function refused(call: Call, { lane, order }: LanePlace, { error, context }: Failure): Refused {
  lane?.hold(order);
  return { kind: "refused", id: call.id, error: reportFailed(call, error, context.defaultStream), lane, order };
}

/** Whether an element is refused, and no place of publishes is to be given up for it. */
function isRefusedCall(entry: Entry): entry is Refused {
  return entry.kind === "refused" && entry.lane === undefined;
}

function refusalText({ id, error }: Refused): string | undefined {
  return id === undefined ? undefined : errorText(id, error);
}

/** Refuses a publish of a frame that would have to wait for its turn, when too much waits already. */
function refusePublish(entry: Entry, { context, flow }: Caller): Entry {
  if (entry.kind !== "publish") {
    return entry;
  }
  flow?.leave("small");
  return refused(entry.call, entry, { error: QUEUE_FULL, context });
}

/** How many publishes there are, and whether one of them is behind a call that has to be answered first. */
function publishesOf(entries: readonly Entry[]): { publishes: number; isLate: boolean } {
  let [publishes, isLate, isBehind] = [0, false, false];
  for (const { kind } of entries) {
    publishes += kind === "publish" ? 1 : 0;
    isLate ||= isBehind && kind === "publish";
    isBehind ||= kind === "single" || kind === "refused";
  }
  return { publishes, isLate };
}

/** Whether an entry goes with those of other frames. */
function isGathered(entry: Entry): entry is Publish | Ack {
  return entry.kind === "publish" || entry.kind === "ack";
}

/** The entries in order; neighbouring publishes and acks are one step. */
function stepsOf(entries: readonly Entry[]): Step[] {
  const steps: Step[] = [];
  let gathered: (Publish | Ack)[] = [];
  for (const entry of entries) {
    if (isGathered(entry)) {
      if (gathered.length === 0) {
        steps.push({ kind: "gathered", calls: gathered });
      }
      gathered.push(entry);
    } else {
      steps.push(entry);
      gathered = [];
    }
  }
  return steps;
}

/** Whether an entry is to be run, and its answer may be large. */
function isLarge(entry: Entry | Step): entry is Single {
  return entry.kind === "single" && entry.size === "large";
}

/** Runs the calls of a frame in order. */
async function runEntries(
  entries: readonly Entry[],
  { turn, ...caller }: Caller & { turn: Turn | undefined },
): Promise<void> {
  if (turn?.before !== undefined) {
    await turn.before;
  }
  const { answer, context, flow } = caller;
  let room: FrameRoom | undefined;
  for (const step of stepsOf(entries)) {
    if (step.kind === "gathered") {
      const running = runGathered(step.calls, context);
      const { publishes } = publishesOf(step.calls);
      turn?.begun(publishes);
      answer.addSmall(await running);
      flow?.leave("small", publishes);
    } else {
      let refusal: RpcError | undefined;
      if (isLarge(step)) {
        room ??= new FrameRoom(
          caller.answers,
          entries.filter(isLarge).map(({ call }) => call.method),
        );
        refusal = await room.enter(answer);
      }
      await runOne(step, caller, refusal);
    }
  }
  if (room !== undefined) {
    const taken = room;
    context.afterAnswer.push(() => taken.leave(answer));
  }
}

/**
 * Runs a call, or answers an element that is none. A call of a batch whose answers are too large is refused: a short batch
 * could ask for fifty pages of a log.
 */
async function runOne(
  entry: Single | Refused,
  { context, flow, answer }: Caller,
  refusal: RpcError | undefined,
): Promise<void> {
  if (entry.kind === "refused") {
    answer.add(refusalText(entry));
    return;
  }
  const { call, size } = entry;
  const isTooLarge = call.id !== undefined && answer.bytes >= LIMITS.batchAnswerBytes;
  const error = refusal ?? (isTooLarge ? ANSWER_TOO_LARGE : undefined);
  try {
    if (error === undefined) {
      answer.add(await run(call, context));
    } else {
      const reported = reportFailed(call, error, context.defaultStream);
      answer.add(call.id === undefined ? undefined : errorText(call.id, reported));
    }
  } finally {
    flow?.leave(size);
  }
}

/**
 * Gives up the places of the publishes of a frame, which are answered together. When one has to be sent again, it waits
 * for the frames that the client has sent behind it.
 */
async function leaveLanes(entries: readonly Entry[], flow: CallFlow | undefined): Promise<void> {
  const places = entries.filter((entry) => entry.kind === "publish" || entry.kind === "refused");
  if (places.some(({ lane, order }) => lane?.isToRepeat(order) === true)) {
    await flow?.whenRead();
  }
  for (const { lane } of places) {
    lane?.leave();
  }
}
