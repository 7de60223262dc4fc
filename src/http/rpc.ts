import { LIMITS, RpcError } from "../../rpc/index.ts";
import type { Access } from "../access/access.ts";
import type { AnswerRoom } from "../json-rpc/answer-room.ts";
import { Answer } from "../json-rpc/answer.ts";
import { answerFrame } from "../json-rpc/batch.ts";
import { frameTooLarge } from "../json-rpc/server.ts";
import type { CallContext } from "../methods/context.ts";
import { statelessContext } from "../methods/stateless-context.ts";
import { errorResponse, JSON_HEADERS } from "../platform/error-response.ts";
import { Pool, Share } from "../platform/isolate-budget.ts";
import { turnForText } from "../platform/pace.ts";
import { requestDeadlineMs } from "../platform/settings.ts";

import { answerStream } from "./answer-stream.ts";

/** What a body is in memory, for each of its bytes: as it came, as text, parsed, and on its way to a stream. */
const BODY_COPIES = 6;
/** What an answer is: its parts, and the whole. */
const ANSWER_COPIES = 3;
/** What all requests hold: what is left of the isolate is for sockets and what they publish. */
const REQUESTS = new Pool(LIMITS.isolateBytes / 3);
/** How fast a body comes at least: a megabyte in half a minute. */
const LEAST_BYTES_PER_MS = 32;
/** An answer so small is given to the runtime whole. */
const SMALL_CHARACTERS = 65_536;

/**
 * Answers JSON-RPC over HTTP: one call or a batch in the body of a POST. Nothing to answer is 204. While the isolate holds
 * too much for its clients the body is not read: 503 and Busy.
 */
export async function answerHttp(request: Request, env: Env, access: Access): Promise<Response> {
  const coding = request.headers.get("Content-Encoding") ?? "identity";
  if (coding.toLowerCase() !== "identity") {
    // RFC 9110 section 15.5.16. A small compressed body may inflate to more than the limit.
    const error = new RpcError("InvalidRequest", "the body must not be compressed");
    return errorResponse(415, error, { "Accept-Encoding": "identity" });
  }
  const share = new Share(REQUESTS);
  const busy = await share.whenTaken(expectedBytesOf(request) * BODY_COPIES);
  if (busy !== undefined) {
    return errorResponse(503, busy, { "Retry-After": "2" });
  }
  let answer: Answer | Response | undefined;
  try {
    answer = await answerBody(request, statelessContext(env, access), share);
    await turnForText(answer instanceof Answer ? answer.characters : 0);
  } finally {
    const characters = answer instanceof Answer ? answer.characters : 0;
    share.set(characters > SMALL_CHARACTERS ? characters * ANSWER_COPIES : 0);
  }
  return answer instanceof Answer ? responseOf(answer, share) : answer;
}

function responseOf(answer: Answer, share: Share): Response {
  const { text } = answer;
  answer.clear();
  if (text === undefined) {
    return new Response(null, { status: 204 });
  }
  return new Response(text.length > SMALL_CHARACTERS ? answerStream(text, share) : text, { headers: JSON_HEADERS });
}

/** How long a body is said to be, or may be. A caller by a service binding may say what it likes of its length, or nothing. */
function expectedBytesOf({ headers }: Request): number {
  const length = headers.get("Content-Length") ?? "";
  return /^\d+$/.test(length) ? Math.min(Number(length), LIMITS.frameBytes) : LIMITS.frameBytes;
}

/** The answer to a body, which has its room in the share; a response when it is no text. */
async function answerBody(request: Request, context: CallContext, share: Share): Promise<Answer | Response> {
  const bytes = await readBody(request);
  // It may have taken most of the time after which a share counts as lost.
  share.touch();
  if (bytes === "tooLarge") {
    return errorResponse(413, frameTooLarge());
  }
  if (bytes === "late") {
    // RFC 9110 section 15.5.9. A body that does not come holds room that others wait for.
    return errorResponse(408, new RpcError("InvalidRequest", "the body came too late; nothing was done"));
  }
  await turnForText(bytes.length);
  const body = decode(bytes);
  if (body === undefined) {
    return errorResponse(200, new RpcError("ParseError", "the body is not UTF-8"));
  }
  const answers: AnswerRoom = {
    reserve: (more) => share.whenTaken(more * ANSWER_COPIES),
    // It is held until it is taken: the share is set to its size.
    release: () => undefined,
  };
  return answerFrame(body, context, { answers });
}

/**
 * The body, unless it is larger than a frame may be or comes more slowly than {@link LEAST_BYTES_PER_MS} with a request
 * deadline more. It comes in one piece, or in two when it is larger than it says: by chunks, which have 4 KiB, to read a
 * megabyte would take longer than to store it.
 */
async function readBody(request: Request): Promise<Uint8Array | "tooLarge" | "late"> {
  if (request.body === null) {
    return new Uint8Array();
  }
  const reader = request.body.getReader({ mode: "byob" });
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), bodyMs(expectedBytesOf(request)));
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    // One more byte than there may be: less shows that the body has ended.
    for (let room = expectedBytesOf(request) + 1; room > 0; room = LIMITS.frameBytes + 1 - size) {
      const read = await Promise.race([reader.readAtLeast(room, new Uint8Array(room)), late.promise]);
      if (read === undefined) {
        abandon(reader);
        return "late";
      }
      const { value = new Uint8Array() } = read;
      pieces.push(value);
      size += value.length;
      if (value.length < room) {
        break;
      }
    }
  } finally {
    clearTimeout(timer);
  }
  if (size > LIMITS.frameBytes) {
    abandon(reader);
    return "tooLarge";
  }
  const [whole = new Uint8Array(), ...others] = pieces;
  return others.length === 0 ? whole : new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/** How long a body may take. */
function bodyMs(bytes: number): number {
  return requestDeadlineMs() * (1 + bytes / (LEAST_BYTES_PER_MS * LIMITS.requestDeadlineMs));
}

/** Reads no more, and gives back what it was to be read into. */
function abandon(reader: ReadableStreamBYOBReader): void {
  // Safe: whoever sends it may be gone already.
  reader.cancel().catch(() => undefined);
}

/**
 * Decodes UTF-8; undefined when it is malformed, instead of text with replacement characters. A byte order mark is
 * kept, so that it is refused as JSON (RFC 8259 section 8.1), as it is in a frame.
 */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Malformed UTF-8: the caller answers ParseError.
    return undefined;
  }
}
