import { waitMs } from "./settings.ts";

/** Most characters of a message and of a stack in a line: a message may quote a text of any length. */
const MESSAGE_CHARACTERS = 500;
const STACK_CHARACTERS = 2_000;

/** Each kind of fault has so many lines in so many milliseconds: some faults a client can have at will. */
const LINES = 5;
const WINDOW_MS = 10_000;

/** Names and numbers that help to find it. */
type Facts = Record<string, string | number>;

/** The lines of one kind of fault in the window that began last. */
type Told = {
  sinceMs: number;
  lines: number;
  /** Faults without a line since the last line. */
  untold: number;
  /** The id in the last line. */
  requestId: string;
};

/** By kind, in this isolate: as many as there are texts for `what` in the code. */
const told = new Map<string, Told>();

/**
 * Logs a fault of the server as one JSON line. Payloads, params and credentials never go in.
 *
 * Beyond {@link LINES} in {@link WINDOW_MS} the faults of one kind are counted, and the next line tells as `untold` how
 * many had none. No timer tells it sooner, as a pending one would keep an object from sleeping.
 *
 * @param what The kind of fault: a constant.
 * @param facts Names and numbers that help to find it.
 * @returns The id to find it by: that of its line, or when it has none of the last line of its kind.
 */
export function logError(what: string, error: unknown, facts: Facts = {}): string {
  const kind = kindOf(what, Date.now());
  const untold = takeLine(kind);
  if (untold !== undefined) {
    kind.requestId = crypto.randomUUID();
    const line = { level: "error", what, requestId: kind.requestId, ...facts, ...untold, ...detailOf(error) };
    console.error(JSON.stringify(line));
  }
  return kind.requestId;
}

/**
 * Logs what is no fault of the server as one JSON line, bounded as {@link logError} bounds its own.
 *
 * @param kind What is told apart when lines are counted: one of a bounded number of texts.
 */
export function logNotice(what: string, kind: string, facts: Facts): void {
  const line = noticeOf("info", { what, kind, facts });
  if (line !== undefined) {
    console.log(line);
  }
}

/** Logs that a client met a bound that keeps it from harming others, as {@link logNotice} does. @param what The kind: a constant. */
export function logWarning(what: string, facts: Facts): void {
  const line = noticeOf("warn", { what, kind: "", facts });
  if (line !== undefined) {
    console.warn(line);
  }
}

/** The line; undefined when there were as many of its kind. */
function noticeOf(
  level: "info" | "warn",
  { what, kind, facts }: { what: string; kind: string; facts: Facts },
): string | undefined {
  const untold = takeLine(kindOf(`${what}: ${kind}`, Date.now()));
  if (untold === undefined) {
    return undefined;
  }
  const bounded = Object.entries(facts).map(([name, fact]) => [name, boundedFact(fact)]);
  return JSON.stringify({ level, what, ...Object.fromEntries(bounded), ...untold });
}

/** Takes one of the lines of a kind. @returns What the line tells of those that had none; undefined: it is one of them. */
function takeLine(kind: Told): { untold?: number } | undefined {
  if (kind.lines === LINES) {
    kind.untold += 1;
    return undefined;
  }
  const { untold } = kind;
  kind.lines += 1;
  kind.untold = 0;
  return untold === 0 ? {} : { untold };
}

function boundedFact(fact: string | number): string | number {
  return typeof fact === "string" ? fact.slice(0, MESSAGE_CHARACTERS) : fact;
}

/** The lines of a kind in the window that is now. */
function kindOf(what: string, nowMs: number): Told {
  const kind = told.get(what) ?? { sinceMs: nowMs, lines: 0, untold: 0, requestId: "" };
  told.set(what, kind);
  // A clock that was put back begins a window too.
  if (nowMs >= kind.sinceMs + waitMs("LOG_WINDOW_MS", WINDOW_MS) || nowMs < kind.sinceMs) {
    kind.sinceMs = nowMs;
    kind.lines = 0;
  }
  return kind;
}

function detailOf(error: unknown): { error: string; stack?: string } {
  if (!(error instanceof Error)) {
    return { error: String(error).slice(0, MESSAGE_CHARACTERS) };
  }
  const { message, stack = "" } = error;
  return { error: message.slice(0, MESSAGE_CHARACTERS), stack: stack.slice(0, STACK_CHARACTERS) };
}
