/** Content codings that a proxy in front of this Worker may replace by one another. */
const REPLACEABLE = new Set(["identity", "gzip", "br"]);

/**
 * Tells whether a part of a body that is stored in a content coding reaches the client unchanged.
 *
 * A proxy in front may decode a body and encode it again for a client that prefers another coding; the local runtime's
 * does so whatever Cache-Control says. A part can not be decoded: the client would get an error or nothing. `fetch`
 * decodes bodies too, but asks for ranges with `Accept-Encoding: identity` (fetch.spec.whatwg.org,
 * HTTP-network-or-cache fetch).
 */
export function passesInParts(coding: string, request: Request): boolean {
  const own = coding.trim().toLowerCase();
  const accepted = acceptEncoding(request);
  const wanted = codingsOf(accepted).find((name) => name === own || REPLACEABLE.has(name));
  return accepted === "" || wanted === own;
}

/**
 * The client's Accept-Encoding, empty for none. Cloudflare replaces the header and passes the client's in `cf`
 * (developers.cloudflare.com/workers/runtime-apis/request, `clientAcceptEncoding`).
 */
function acceptEncoding({ cf, headers }: Request): string {
  const ofClient = cf?.["clientAcceptEncoding"];
  return (typeof ofClient === "string" ? ofClient : (headers.get("Accept-Encoding") ?? "")).trim();
}

/** The codings of an Accept-Encoding that are acceptable, the preferred first (RFC 9110 section 12.5.3). */
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
