import { waitMs } from "./settings.ts";

/** Most characters of a message and of a stack in a line: a message may quote a text of any length. */
const MESSAGE_CHARACTERS = 500;
const STACK_CHARACTERS = 2_000;

/** Each kind of fault has so many lines in so many milliseconds: some faults a client can have at will. */
const LINES = 5;
const WINDOW_MS = 10_000;

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
export function logError(what: string, error: unknown, facts: Record<string, string | number> = {}): string {
  const kind = kindOf(what, Date.now());
  if (kind.lines === LINES) {
    kind.untold += 1;
    return kind.requestId;
  }
  const requestId = crypto.randomUUID();
  const untold = kind.untold === 0 ? {} : { untold: kind.untold };
  console.error(JSON.stringify({ level: "error", what, requestId, ...facts, ...untold, ...detailOf(error) }));
  kind.lines += 1;
  kind.untold = 0;
  kind.requestId = requestId;
  return requestId;
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
