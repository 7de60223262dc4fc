import { LIMITS, RpcError } from "../../rpc/index.ts";
import type { Access } from "../access/access.ts";
import type { AnswerRoom } from "../json-rpc/answer-room.ts";
import { Answer } from "../json-rpc/answer.ts";
import { answerFrame } from "../json-rpc/batch.ts";
import type { CallContext } from "../methods/context.ts";
import { statelessContext } from "../methods/stateless-context.ts";
import { errorResponse, JSON_HEADERS } from "../platform/error-response.ts";
import { Pool, Share } from "../platform/isolate-budget.ts";
import { turnForText } from "../platform/scheduling/pace.ts";

import { answerStream } from "./answer-stream.ts";
import { readBody } from "./body.ts";

/** What an answer is: its parts, and the whole. */
const ANSWER_COPIES = 3;
/** What all requests hold: what is left of the isolate is for sockets and what they publish. */
const REQUESTS = new Pool(LIMITS.isolateBytes / 3);
/** An answer so small is given to the runtime whole. */
const SMALL_CHARACTERS = 65_536;

/**
 * Answers JSON-RPC over HTTP: one call or a batch in the body of a POST. Nothing to answer is 204. While requests hold too
 * much, little of the body is read: 503 and Busy.
 */
export async function answerHttp(request: Request, env: Env, access: Access): Promise<Response> {
  const coding = request.headers.get("Content-Encoding") ?? "identity";
  if (coding.toLowerCase() !== "identity") {
    // RFC 9110 section 15.5.16. A small compressed body may inflate to more than the limit.
    const error = new RpcError("InvalidRequest", "the body must not be compressed");
    return errorResponse(415, error, { "Accept-Encoding": "identity" });
  }
  const share = new Share(REQUESTS);
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

/** The answer to the body; a response when there is none, or it is no text. */
async function answerBody(request: Request, context: CallContext, share: Share): Promise<Answer | Response> {
  const bytes = await readBody(request, share);
  if ("status" in bytes) {
    const { status, error } = bytes;
    const { retryAfterMs } = error.data ?? {};
    const after = typeof retryAfterMs === "number" ? { "Retry-After": String(Math.ceil(retryAfterMs / 1_000)) } : {};
    return errorResponse(status, error, after);
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
