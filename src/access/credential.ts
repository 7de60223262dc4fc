import { BEARER_SUBPROTOCOL } from "../../rpc/index.ts";

/** The subprotocols a client offers (RFC 6455 section 4.1). */
export function offeredProtocols(headers: Headers): string[] {
  const header = headers.get("Sec-WebSocket-Protocol");
  return header === null ? [] : header.split(",").map((protocol) => protocol.trim());
}

/**
 * The key or token of a request: of `Authorization: Bearer <it>`, or for a WebSocket of the subprotocol
 * `bearer.<base64url of it>`. It is never in the URL, because URLs are logged.
 *
 * @returns Empty when it is malformed, undefined when there is none.
 */
export function credentialOf(headers: Headers): string | undefined {
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
