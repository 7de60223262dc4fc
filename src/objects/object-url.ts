import { RpcError } from "../../rpc/index.ts";

import { fromBase64Url, toBase64Url } from "./bytes.ts";

/** The keys of this server: URLs are sealed by the first, and taken by either while the key is changed. */
type Secrets = { readonly API_KEY?: string; readonly API_KEY_PREVIOUS?: string };

/** What a URL permits: GET and HEAD of one object. */
type Grant = {
  /** As who asked for the URL says it, and as it stands in the URL. */
  readonly key: string;
  /** What stands before that key in the bucket; nobody is told. Empty for a caller without a prefix. */
  readonly prefix: string;
  /** When it ends, in milliseconds since the epoch. */
  readonly expiresAt: number;
};

const AES = { name: "AES-GCM", length: 256 } as const;
/** What the derived keys are for, so that what is sealed for another purpose is no signature of a URL. */
const PURPOSE = "durable-stream object URL v1";
const SALT_BYTES = 16;
/** Any will do, because each URL has a key of its own. */
const NONCE = new Uint8Array(12);

/** The only form of the query of a signed URL. The signature is a salt, a tag of 16 bytes and a prefix of up to 64, in base64url. */
const QUERY = /^expires=([1-9]\d{0,14})&signature=([\w-]{43,128})$/;

const UTF8 = new TextEncoder();

/** Whether a query says that its URL is signed, rightly or not. */
export function isSigned(query: string): boolean {
  return /(?:^|&)signature=/.test(query);
}

/**
 * The path and query of a URL that permits to read one object. It is no whole URL, because a server does not know by which
 * host and path its clients reach it: behind a proxy it is another, and a service binding has none.
 *
 * The signature is the prefix, encrypted, with a tag that covers all of the grant: whoever has the URL can read no prefix in
 * it, and can change nothing.
 *
 * @throws Unavailable when no key is configured.
 */
export async function signedUrl(secrets: Secrets, grant: Grant): Promise<string> {
  const [secret] = secretsOf(secrets);
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const sealed = await crypto.subtle.encrypt(sealing(grant), await keyOf(secret, salt), UTF8.encode(grant.prefix));
  const signature = toBase64Url(new Uint8Array([...salt, ...new Uint8Array(sealed)]));
  const path = grant.key.split("/").map(encodeURIComponent).join("/");
  return `/r2/${path}?expires=${grant.expiresAt}&signature=${signature}`;
}

/**
 * Checks the query of a signed URL.
 *
 * @param key As it stands in the path.
 * @throws Forbidden unless it permits to read this object now; Unavailable when no key is configured.
 */
export async function verifySignedUrl(
  secrets: Secrets,
  { key, query }: { key: string; query: string },
): Promise<Grant> {
  const [, expires, signature = ""] = QUERY.exec(query) ?? [];
  const expiresAt = Number(expires);
  const bytes = fromBase64Url(signature);
  const opened = await Promise.all(secretsOf(secrets).map((secret) => openedBy(secret, bytes, { key, expiresAt })));
  const prefix = opened.find((found) => found !== undefined);
  if (prefix === undefined) {
    throw new RpcError("Forbidden", "the signature is not of this URL");
  }
  if (Date.now() >= expiresAt) {
    throw new RpcError("Forbidden", "the URL has expired");
  }
  return { key, prefix, expiresAt };
}

/** The prefix in a signature; undefined when it is not one of this secret and URL. */
async function openedBy(
  secret: string,
  signature: Uint8Array,
  url: Pick<Grant, "key" | "expiresAt">,
): Promise<string | undefined> {
  const key = await keyOf(secret, signature.subarray(0, SALT_BYTES));
  try {
    return new TextDecoder().decode(await crypto.subtle.decrypt(sealing(url), key, signature.subarray(SALT_BYTES)));
  } catch {
    // The tag does not hold.
    return undefined;
  }
}

function secretsOf({ API_KEY: current = "", API_KEY_PREVIOUS: previous = "" }: Secrets): [string, ...string[]] {
  if (current === "") {
    throw new RpcError("Unavailable", "no API_KEY is configured");
  }
  return previous === "" ? [current] : [current, previous];
}

/** Derived for one URL, so that the secret itself seals nothing (RFC 5869), and no nonce comes twice with a key. */
async function keyOf(secret: string, salt: Uint8Array): Promise<CryptoKey> {
  const root = await crypto.subtle.importKey("raw", UTF8.encode(secret), "HKDF", false, ["deriveKey"]);
  const derivation = { name: "HKDF", hash: "SHA-256", salt, info: UTF8.encode(PURPOSE) };
  return crypto.subtle.deriveKey(derivation, root, AES, false, ["encrypt", "decrypt"]);
}

/** What the tag covers beside the prefix. A key has no line breaks, so each text is of one URL only. */
function sealing({ key, expiresAt }: Pick<Grant, "key" | "expiresAt">) {
  return { name: AES.name, iv: NONCE, additionalData: UTF8.encode(`GET\n${expiresAt}\n${key}`) };
}
