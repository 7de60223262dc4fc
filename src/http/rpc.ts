import { LIMITS, RpcError } from "../../rpc/index.ts";
import { answer } from "../json-rpc/batch.ts";
import { frameTooLarge } from "../json-rpc/server.ts";
import { statelessContext } from "../methods/stateless-context.ts";
import { errorResponse, JSON_HEADERS } from "../platform/error-response.ts";

/** Answers JSON-RPC over HTTP: one call or a batch in the body of a POST. Nothing to answer is 204. */
export async function answerHttp(request: Request, env: Env): Promise<Response> {
  const coding = request.headers.get("Content-Encoding") ?? "identity";
  if (coding.toLowerCase() !== "identity") {
    // RFC 9110 section 15.5.16. A small compressed body may inflate to more than the limit.
    const error = new RpcError("InvalidRequest", "the body must not be compressed");
    return errorResponse(415, error, { "Accept-Encoding": "identity" });
  }
  const bytes = await readBody(request);
  if (bytes === undefined) {
    return errorResponse(413, frameTooLarge());
  }
  const body = decode(bytes);
  if (body === undefined) {
    return errorResponse(200, new RpcError("ParseError", "the body is not UTF-8"));
  }
  const response = await answer(body, statelessContext(env));
  return response === undefined
    ? new Response(null, { status: 204 })
    : new Response(response, { headers: JSON_HEADERS });
}

/** The body; undefined when it is larger than a frame may be. Then reading stops at the limit. */
async function readBody(request: Request): Promise<ArrayBuffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > LIMITS.frameBytes) {
      return undefined;
    }
    chunks.push(chunk);
  }
  return new Blob(chunks).arrayBuffer();
}

/**
 * Decodes UTF-8; undefined when it is malformed, instead of text with replacement characters. A byte order mark is
 * kept, so that it is refused as JSON (RFC 8259 section 8.1), as it is in a frame.
 */
function decode(bytes: ArrayBuffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Malformed UTF-8: the caller answers ParseError.
    return undefined;
  }
}
