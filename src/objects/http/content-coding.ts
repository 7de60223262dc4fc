/** Codings that something in front of this Worker may put in the place of one another, by what the client takes. */
const REPLACEABLE = new Set(["identity", "gzip", "br"]);

/**
 * Tells whether a part of a body that rests in a content coding gets to the client as it is.
 *
 * What is in front decodes and encodes again when it thinks that the client would rather have another coding: the local
 * runtime's, whatever Cache-Control says. Of a part that makes an error, or nothing. And `fetch` decodes what comes, but
 * asks for parts with `Accept-Encoding: identity` (fetch.spec.whatwg.org, HTTP-network-or-cache fetch).
 */
export function passesInParts(coding: string, request: Request): boolean {
  const own = coding.trim().toLowerCase();
  const accepted = acceptEncoding(request);
  const wanted = codingsOf(accepted).find((name) => name === own || REPLACEABLE.has(name));
  return accepted === "" || wanted === own;
}

/**
 * What the client sent: Cloudflare sends its own on to a Worker, and the client's in `cf`
 * (developers.cloudflare.com/workers/runtime-apis/request, `clientAcceptEncoding`). Empty for none.
 */
function acceptEncoding({ cf, headers }: Request): string {
  const ofClient = cf?.["clientAcceptEncoding"];
  return (typeof ofClient === "string" ? ofClient : (headers.get("Accept-Encoding") ?? "")).trim();
}

/** The codings of an Accept-Encoding that are acceptable, the most wanted first (RFC 9110 section 12.5.3). */
function codingsOf(header: string): string[] {
  return header
    .split(",")
    .map((element) => {
      const [name = "", ...parameters] = element.split(";").map((text) => text.trim().toLowerCase());
      const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
      return { name, weight: weight === undefined ? 1 : Number(weight) };
    })
    .filter(({ weight }) => weight > 0)
    .toSorted((a, b) => b.weight - a.weight)
    .map(({ name }) => name);
}
