import { RpcError } from "../../rpc/index.ts";

import { toBase64 } from "./bytes.ts";

/** The keys of this server: URLs are signed by the first, and taken by either while the key is changed. */
type Secrets = { readonly API_KEY?: string; readonly API_KEY_PREVIOUS?: string };

/** What a URL permits. `GET` stands for reads: HEAD too. */
type Grant = {
  readonly key: string;
  /** When it ends, in milliseconds since the epoch. */
  readonly expiresAt: number;
};

const HMAC = { name: "HMAC", hash: "SHA-256" } as const;
/** What the derived key is for, so that a signature of another kind is none of a URL. */
const PURPOSE = "durable-stream object URL v1";

/** The only form of the query of a signed URL. A SHA-256 is 43 characters of base64url. */
const QUERY = /^expires=([1-9]\d{0,14})&signature=([\w-]{43})$/;

const UTF8 = new TextEncoder();

/** Whether a query says that its URL is signed, rightly or not. */
export function isSigned(query: string): boolean {
  return /(?:^|&)signature=/.test(query);
}

/**
 * The path and query of a URL that permits to read one object. It is no whole URL, because a server does not know by which
 * host and path its clients reach it: behind a proxy it is another, and a service binding has none.
 *
 * @throws Unavailable when no key is configured.
 */
export async function signedUrl(secrets: Secrets, grant: Grant): Promise<string> {
  const [secret] = secretsOf(secrets);
  const signature = await crypto.subtle.sign(HMAC, await signingKey(secret), textOf(grant));
  const path = grant.key.split("/").map(encodeURIComponent).join("/");
  return `/r2/${path}?expires=${grant.expiresAt}&signature=${toBase64Url(new Uint8Array(signature))}`;
}

/**
 * Checks the query of a signed URL.
 *
 * @returns When the URL ends, in milliseconds since the epoch.
 * @throws Forbidden unless it permits to read this object now; Unavailable when no key is configured.
 */
export async function verifySignedUrl(
  secrets: Secrets,
  { key, query }: { key: string; query: string },
): Promise<number> {
  const [, expires, signature] = QUERY.exec(query) ?? [];
  const expiresAt = Number(expires);
  const keys = await Promise.all(secretsOf(secrets).map(signingKey));
  const text = textOf({ key, expiresAt });
  // In constant time. The signature of a query of another form is that of no text.
  const bytes = fromBase64Url(signature ?? "");
  const matches = await Promise.all(keys.map((signing) => crypto.subtle.verify(HMAC, signing, bytes, text)));
  if (!matches.includes(true)) {
    throw new RpcError("Forbidden", "the signature is not of this URL");
  }
  if (Date.now() >= expiresAt) {
    throw new RpcError("Forbidden", "the URL has expired");
  }
  return expiresAt;
}

function secretsOf({ API_KEY: current = "", API_KEY_PREVIOUS: previous = "" }: Secrets): [string, ...string[]] {
  if (current === "") {
    throw new RpcError("Unavailable", "no API_KEY is configured");
  }
  return previous === "" ? [current] : [current, previous];
}

/** Derived, so that the secret itself signs nothing (RFC 5869). */
async function signingKey(secret: string): Promise<CryptoKey> {
  const root = await crypto.subtle.importKey("raw", UTF8.encode(secret), "HKDF", false, ["deriveKey"]);
  const derivation = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: UTF8.encode(PURPOSE) };
  return crypto.subtle.deriveKey(derivation, root, { ...HMAC, length: 256 }, false, ["sign", "verify"]);
}

/** A key has no line breaks, so each text is of one grant only. */
function textOf({ key, expiresAt }: Grant): Uint8Array {
  return UTF8.encode(`GET\n${expiresAt}\n${key}`);
}

function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
