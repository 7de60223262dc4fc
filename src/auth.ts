/** The WebSocket subprotocol of this service. */
export const SUBPROTOCOL = "durable-stream.v1";

/** A browser can set no header on a WebSocket: it offers its key as a second subprotocol, which is never echoed. */
const BEARER_SUBPROTOCOL = "bearer.";

/** Who a caller is allowed to be. `unconfigured`: there is no key, so nobody can have it. */
export type Credentials = "valid" | "invalid" | "unconfigured";

/**
 * Checks a request's key: `Authorization: Bearer <key>`, or for a WebSocket the subprotocol
 * `bearer.<base64url of the key>`. Never the URL, which ends up in logs.
 */
export async function authenticate(request: Request, apiKey: string | undefined): Promise<Credentials> {
  if (apiKey === undefined || apiKey === "") {
    return "unconfigured";
  }
  const offered = keyOf(request.headers);
  // Always compared, so that a missing key takes as long as a wrong one.
  const isEqual = await hasEqualDigest(offered ?? "", apiKey);
  return offered !== undefined && isEqual ? "valid" : "invalid";
}

/** The subprotocols a client offers (RFC 6455 section 4.1). */
export function offeredProtocols(headers: Headers): string[] {
  const header = headers.get("Sec-WebSocket-Protocol");
  return header === null ? [] : header.split(",").map((protocol) => protocol.trim());
}

function keyOf(headers: Headers): string | undefined {
  const bearer = /^Bearer +(\S.*)$/i.exec(headers.get("Authorization") ?? "")?.[1];
  if (bearer !== undefined) {
    return bearer;
  }
  const encoded = offeredProtocols(headers).find((protocol) => protocol.startsWith(BEARER_SUBPROTOCOL));
  return encoded === undefined ? undefined : fromBase64Url(encoded.slice(BEARER_SUBPROTOCOL.length));
}

function fromBase64Url(encoded: string): string | undefined {
  try {
    const binary = atob(encoded.replaceAll("-", "+").replaceAll("_", "/"));
    return new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
  } catch {
    // Not base64url, so not a key.
    return undefined;
  }
}

/** Digests are of one length whatever the keys are, so the comparison's time tells nothing of them. */
async function hasEqualDigest(a: string, b: string): Promise<boolean> {
  const encoder = new TextEncoder();
  const [digestA, digestB] = await Promise.all(
    [a, b].map((text) => crypto.subtle.digest("SHA-256", encoder.encode(text))),
  );
  return digestA !== undefined && digestB !== undefined && crypto.subtle.timingSafeEqual(digestA, digestB);
}
