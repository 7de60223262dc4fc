import { RpcError } from "../../rpc/index.ts";

import { ROOT } from "./access.ts";
import type { Access } from "./access.ts";
import { credentialOf } from "./credential.ts";
import type { NoCredential } from "./credential.ts";
import { takenUntil } from "./tokens/claims.ts";
import { tokensOf } from "./tokens/configured.ts";
import type { TokenSettings } from "./tokens/configured.ts";
import { KeysUnavailableError, MAX_TOKEN_CHARACTERS, TOKEN_FAULTS } from "./tokens/token-fault.ts";
import type { TokenFault } from "./tokens/token-fault.ts";
import type { Tokens } from "./tokens/tokens.ts";

/** The settings that say who is let in. */
export type CredentialSettings = TokenSettings & {
  readonly API_KEY?: string;
  /** The key before the one that is now, while clients change. It counts only beside `API_KEY`. */
  readonly API_KEY_PREVIOUS?: string;
};

/** Why nobody is let in. */
export type Refusal = {
  /** `unconfigured`: the server knows no key. `unavailable`: the keys of tokens can not be had now. */
  readonly refused: "credentials" | "unconfigured" | "unavailable";
  /** What the caller is told: ASCII without quotation marks, at most 123 characters. */
  readonly message: string;
  /** Of credentials: what is wrong with them. `key` of a token and `wrong` of a key: it is none of the server's. */
  readonly reason?: NoCredential["reason"] | TokenFault | "wrong";
};

/** A signed token in its compact form (RFC 7515 section 3.1); the signature of an unsigned one is empty. */
const TOKEN_FORM = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** Tells who makes a request: by the root key, or by a token. */
export function authenticate(request: Request, settings: CredentialSettings): Promise<Access | Refusal> {
  return accessOfCredential(credentialOf(request.headers), settings);
}

/** Tells whose a credential is: what has the form of a token and is not the root key is a token. */
export async function accessOfCredential(
  credential: string | NoCredential,
  settings: CredentialSettings,
): Promise<Access | Refusal> {
  const tokens = tokensOf(settings);
  if (!settings.API_KEY && tokens === undefined) {
    return { refused: "unconfigured", message: "no API_KEY is configured" };
  }
  if (typeof credential !== "string") {
    return { refused: "credentials", ...credential };
  }
  if (credential.length > MAX_TOKEN_CHARACTERS) {
    return refusedToken("tooLarge");
  }
  const digest = await digestOf(credential);
  if (await isRootKey(digest, settings)) {
    return ROOT;
  }
  return TOKEN_FORM.test(credential)
    ? accessOfToken(credential, digest, tokens)
    : { refused: "credentials", reason: "wrong", message: "the key is not the server's" };
}

/**
 * Holds a request to the time of its token: a body may come as slowly as its client likes, and a batch run for minutes.
 *
 * @throws Unauthenticated for a caller whose token is taken no more.
 */
export function expectLive({ expiresAt }: Access): void {
  if (expiresAt !== undefined && takenUntil(expiresAt) <= Date.now()) {
    throw new RpcError("Unauthenticated", TOKEN_FAULTS.expired, { reason: "expired" });
  }
}

async function accessOfToken(
  token: string,
  digest: ArrayBuffer,
  tokens: Tokens | undefined,
): Promise<Access | Refusal> {
  try {
    // Without keys none fits.
    const access = (await tokens?.accessOf(token, digest)) ?? "key";
    return typeof access === "string" ? refusedToken(access) : access;
  } catch (error) {
    if (error instanceof KeysUnavailableError) {
      return { refused: "unavailable", message: error.message };
    }
    throw error;
  }
}

function refusedToken(fault: TokenFault): Refusal {
  return { refused: "credentials", message: TOKEN_FAULTS[fault], reason: fault };
}

/** Compares by SHA-256 digests in constant time, which reveals not even a key's length. */
async function isRootKey(digest: ArrayBuffer, { API_KEY, API_KEY_PREVIOUS }: CredentialSettings): Promise<boolean> {
  if (!API_KEY) {
    return false;
  }
  const [now, previous] = await Promise.all([rootDigest(API_KEY), rootDigest(API_KEY_PREVIOUS || API_KEY)]);
  const [isNow, isPrevious] = [now, previous].map((root) => crypto.subtle.timingSafeEqual(digest, root));
  return isNow === true || isPrevious === true;
}

/** The digests of the keys of this isolate, which has those of one deployment: each request is compared with them. */
const rootDigests = new Map<string, ArrayBuffer>();

async function rootDigest(key: string): Promise<ArrayBuffer> {
  const known = rootDigests.get(key);
  if (known !== undefined) {
    return known;
  }
  const digest = await digestOf(key);
  rootDigests.set(key, digest);
  return digest;
}

function digestOf(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}
