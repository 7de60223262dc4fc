import { verifySignedUrl } from "../object-url.ts";
import { httpError } from "./http-error.ts";
import { answerObject, methodNotAllowed, readKey } from "./object-http.ts";

const SECOND_MS = 1_000;

/** The Cache-Control of an object that was put without one. */
const UNSTATED_CACHING = "private, no-cache, no-transform";

/**
 * Answers a signed URL: GET and HEAD of the one object that it was made for, until it ends. Whoever has the URL may read the
 * object, so no credentials are looked at, and nothing but the signature and its time is taken from the query.
 *
 * @param target The path, not decoded, without `/r2`, and the query.
 */
export async function answerSigned(request: Request, env: Env, target: { path: string; query: string }) {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return withoutReferrer(methodNotAllowed("GET, HEAD"));
  }
  try {
    const said = readKey(target.path);
    const { prefix, expiresAt } = await verifySignedUrl(env, { key: said, query: target.query });
    const response = await answerObject(request, env, { key: prefix + said, said });
    if (response.ok || response.status === 304) {
      limitCaching(response.headers, Math.floor((expiresAt - Date.now()) / SECOND_MS));
      // To be shown in pages of other origins is what the URL is for, also in those that embed only what says so.
      response.headers.set("Cross-Origin-Resource-Policy", "cross-origin");
    }
    return withoutReferrer(response);
  } catch (error) {
    return withoutReferrer(httpError(error));
  }
}

/** Keeps the URL, which is a credential, from where an opened object leads to. */
function withoutReferrer(response: Response): Response {
  response.headers.set("Referrer-Policy", "no-referrer");
  return response;
}

/** Has only the caller's own cache keep an object: no longer than the URL lasts, and than the object was put with. */
function limitCaching(headers: Headers, leftS: number): void {
  const stated = headers.get("Cache-Control") ?? UNSTATED_CACHING;
  const strict = stated === UNSTATED_CACHING ? undefined : /\bno-(?:store|cache)\b/i.exec(stated)?.[0];
  const ageS = Number(/\bmax-age="?(\d+)/i.exec(stated)?.[1] ?? leftS);
  headers.set("Cache-Control", `private, ${strict ?? `max-age=${Math.min(ageS, leftS)}`}, no-transform`);
  headers.delete("Expires");
}
