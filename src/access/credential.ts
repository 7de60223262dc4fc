import { BEARER_SUBPROTOCOL } from "../../rpc/index.ts";

/** The subprotocols a client offers (RFC 6455 section 4.1). */
export function offeredProtocols(headers: Headers): string[] {
  const header = headers.get("Sec-WebSocket-Protocol");
  return header === null ? [] : header.split(",").map((protocol) => protocol.trim());
}

/** Why a request has no credential that could be checked. */
export type NoCredential = {
  /** `scheme`: the header Authorization is not of Bearer. `malformed`: there is nothing where the key or token should be. */
  readonly reason: "missing" | "scheme" | "malformed";
  /** What the caller is told: it quotes nothing. */
  readonly message: string;
};

const MISSING = "no credentials: neither the header Authorization: Bearer nor the subprotocol bearer.<base64url>";
const SCHEME = "the header Authorization has another scheme than Bearer";
const NO_BEARER = "the header Authorization is Bearer without a key or token";
const NO_BASE64URL = "the subprotocol bearer.<base64url> does not hold a key or token in base64url";

/**
 * The key or token of a request: of `Authorization: Bearer <it>`, or for a WebSocket of the subprotocol
 * `bearer.<base64url of it>`. It is never in the URL, because URLs are logged.
 */
export function credentialOf(headers: Headers): string | NoCredential {
  const authorization = headers.get("Authorization");
  const [, bearer] = /^Bearer +(\S.*)$/i.exec(authorization ?? "") ?? [];
  if (bearer !== undefined) {
    return bearer;
  }
  const encoded = offeredProtocols(headers).find((protocol) => protocol.startsWith(BEARER_SUBPROTOCOL));
  if (encoded !== undefined) {
    const decoded = fromBase64Url(encoded.slice(BEARER_SUBPROTOCOL.length));
    return decoded || { reason: "malformed", message: NO_BASE64URL };
  }
  if (authorization === null) {
    return { reason: "missing", message: MISSING };
  }
  return /^Bearer *$/i.test(authorization)
    ? { reason: "malformed", message: NO_BEARER }
    : { reason: "scheme", message: SCHEME };
}

/** @returns Empty for what is not the base64url of text. */
function fromBase64Url(encoded: string): string {
  try {
    const binary = atob(encoded.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Not base64url, or not UTF-8, as of a key that stands there in the clear.
    return "";
  }
}
