import { BEARER_SUBPROTOCOL } from "../../rpc/index.ts";

/** The result of checking a key. `missing`: the request has none; `unconfigured`: the server has none. */
export type Credentials = "valid" | "missing" | "invalid" | "unconfigured";

/**
 * Checks a request's key: `Authorization: Bearer <key>`, or for a WebSocket the subprotocol
 * `bearer.<base64url of the key>`. It is never in the URL, because URLs are logged.
 */
export async function authenticate(request: Request, apiKey: string | undefined): Promise<Credentials> {
  if (apiKey === undefined || apiKey === "") {
    return "unconfigured";
  }
  const offered = keyOf(request.headers);
  // Compared in any case, so that a missing key takes as long as a wrong one.
  const isEqual = await hasEqualDigest(offered ?? "", apiKey);
  if (offered === undefined) {
    return "missing";
  }
  return isEqual ? "valid" : "invalid";
}

/** The subprotocols a client offers (RFC 6455 section 4.1). */
export function offeredProtocols(headers: Headers): string[] {
  const header = headers.get("Sec-WebSocket-Protocol");
  return header === null ? [] : header.split(",").map((protocol) => protocol.trim());
}

/** The key of a request; empty when it is malformed, undefined when there is none. */
function keyOf(headers: Headers): string | undefined {
  const authorization = headers.get("Authorization") ?? "";
  const bearer = /^Bearer +(\S.*)$/i.exec(authorization)?.[1];
  if (bearer !== undefined) {
    return bearer;
  }
  const encoded = offeredProtocols(headers).find((protocol) => protocol.startsWith(BEARER_SUBPROTOCOL));
  if (encoded !== undefined) {
    return fromBase64Url(encoded.slice(BEARER_SUBPROTOCOL.length));
  }
  return /^Bearer *$/i.test(authorization) ? "" : undefined;
}

function fromBase64Url(encoded: string): string {
  try {
    const binary = atob(encoded.replaceAll("-", "+").replaceAll("_", "/"));
    return new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
  } catch {
    // Not base64url. An empty key is never the server's.
    return "";
  }
}

/** Compares keys by their SHA-256 digests in constant time, which reveals not even a key's length. */
async function hasEqualDigest(a: string, b: string): Promise<boolean> {
  const encoder = new TextEncoder();
  const [digestA, digestB] = await Promise.all(
    [a, b].map((text) => crypto.subtle.digest("SHA-256", encoder.encode(text))),
  );
  return digestA !== undefined && digestB !== undefined && crypto.subtle.timingSafeEqual(digestA, digestB);
}
