/**
 * What a token says of itself, by whoever has issued it: read for its holder to see, and not verified, which is the server's to
 * do. Undefined for what is no JWT (RFC 7519), such as a key.
 */
export function claimsOf(token: string): Readonly<Record<string, unknown>> | undefined {
  const [, payload, ...rest] = token.split(".");
  if (payload === undefined || rest.length !== 1) {
    return undefined;
  }
  try {
    const binary = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    const text = new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
    const claims: unknown = JSON.parse(text);
    return isRecord(claims) ? claims : undefined;
  } catch {
    // No JWT: a key may have dots.
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
