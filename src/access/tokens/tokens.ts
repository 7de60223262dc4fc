import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from "jose";
import type { JWTPayload, JWTVerifyOptions } from "jose";
import * as v from "valibot";

import type { Access } from "../access.ts";

import { accessOfClaims, claimsOf, CLOCK_SKEW_S } from "./claims.ts";
import { ALGORITHMS } from "./keys.ts";
import type { Algorithm, Key } from "./keys.ts";
import { RemoteKeys } from "./remote-keys.ts";
import type { TokenFault } from "./token-fault.ts";
import { VerifiedTokens } from "./verified-tokens.ts";

/** How tokens are checked and signed. */
export type TokenOptions = {
  /** Of TOKEN_KEYS; none without it. */
  readonly keys: readonly Key[];
  /** Where more keys are. */
  readonly url?: string | undefined;
  /** What every token says as `iss` and `aud`, if that is set. */
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
};

/** The header of a token (RFC 7515 section 4.1), as far as it is looked at. Keys that it brings along are not. */
const Header = v.object({ alg: v.string(), kid: v.optional(v.string()), typ: v.optional(v.string()) });
type Header = v.InferOutput<typeof Header> & { alg: Algorithm };

/** Checks and signs tokens by the keys that are configured. One for each isolate. */
export class Tokens {
  readonly #options: TokenOptions;
  readonly #expected: JWTVerifyOptions;
  readonly #verified = new VerifiedTokens();
  readonly #remote: RemoteKeys | undefined;

  constructor(options: TokenOptions) {
    const { url, issuer, audience } = options;
    this.#options = options;
    this.#expected = {
      clockTolerance: CLOCK_SKEW_S,
      requiredClaims: ["exp"],
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    };
    // A key that was withdrawn may have verified what is kept.
    this.#remote = url === undefined ? undefined : new RemoteKeys(url, () => this.#verified.clear());
  }

  /**
   * The access that a token gives, or why it gives none.
   *
   * @param digest Of the token.
   * @throws KeysUnavailableError when the keys to check it by can not be had now.
   */
  async accessOf(token: string, digest: ArrayBuffer): Promise<Access | TokenFault> {
    const nowMs = Date.now();
    const known = this.#verified.get(digest, nowMs);
    if (known !== undefined) {
      this.#remote?.keepFresh();
      return known;
    }
    const access = await this.#verify(token, nowMs);
    if (typeof access !== "string") {
      this.#verified.set(digest, { access, characters: token.length });
    }
    return access;
  }

  /** Signs a token for an access, by the first key that {@link accessOf} takes it by; undefined when there is none. */
  async sign(access: Access, nowMs: number): Promise<string | undefined> {
    const { keys } = this.#options;
    const key = keys.find((each) => each.maySign && fitting(keys, { alg: each.algorithm, kid: each.kid }) === each);
    if (key === undefined) {
      return undefined;
    }
    const { issuer, audience } = this.#options;
    const names = {
      ...(issuer === undefined ? {} : { iss: issuer }),
      ...(audience === undefined ? {} : { aud: audience }),
    };
    const header = { typ: "JWT", alg: key.algorithm, ...(key.kid === undefined ? {} : { kid: key.kid }) };
    return new SignJWT({ ...claimsOf(access, nowMs), ...names }).setProtectedHeader(header).sign(await key.signing());
  }

  async #verify(token: string, nowMs: number): Promise<Access | TokenFault> {
    const header = headerOf(token);
    if (typeof header === "string") {
      return header;
    }
    const key = await this.#keyFor(header);
    if (key === undefined) {
      return "key";
    }
    const claims = await this.#claimsOf(token, key);
    return typeof claims === "string" ? claims : accessOfClaims(claims, nowMs);
  }

  async #claimsOf(token: string, key: Key): Promise<JWTPayload | TokenFault> {
    const imported = await importedKey(key);
    if (imported === undefined) {
      return "key";
    }
    try {
      const { payload } = await jwtVerify(token, imported, { ...this.#expected, algorithms: [key.algorithm] });
      return payload;
    } catch (error) {
      return faultOf(error);
    }
  }

  /** The key that a token was signed with, as its header says: one of ours, or else of those at the URL. */
  async #keyFor(header: Header): Promise<Key | undefined> {
    const own = fitting(this.#options.keys, header);
    if (own !== undefined || this.#remote === undefined) {
      return own;
    }
    return fitting(await this.#remote.current(), header) ?? fitting(await this.#remote.newer(), header);
  }
}

/**
 * The one key that fits; none when several do. A token without a `kid` is of the key that has none, or else of the only one of
 * its algorithm.
 */
function fitting(
  keys: readonly Key[],
  { alg, kid }: Pick<Header, "alg"> & { kid?: string | undefined },
): Key | undefined {
  const able = keys.filter((key) => key.mayVerify && key.algorithm === alg);
  const named = able.filter((key) => key.kid === kid);
  const [fits, ...others] = kid === undefined && named.length === 0 ? able : named;
  return others.length === 0 ? fits : undefined;
}

function headerOf(token: string): Header | TokenFault {
  let decoded: object;
  try {
    decoded = decodeProtectedHeader(token);
  } catch {
    // No base64url, no JSON or no object.
    return "malformed";
  }
  const checked = v.safeParse(Header, decoded);
  if (!checked.success) {
    return "malformed";
  }
  const { alg: said, typ = "JWT", ...rest } = checked.output;
  const alg = ALGORITHMS.find((algorithm) => algorithm === said);
  if (alg === undefined) {
    return "algorithm";
  }
  // RFC 7515 section 4.1.11: none of them is understood, so any is refused.
  if ("crit" in decoded) {
    return "critical";
  }
  return typ.toUpperCase() === "JWT" ? { ...rest, alg } : "type";
}

/** A key to verify with; undefined when the runtime does not take it, as a point that is not on its curve. */
async function importedKey(key: Key): Promise<Awaited<ReturnType<Key["verifying"]>> | undefined> {
  try {
    return await key.verifying();
  } catch {
    // The error may quote the key.
    return undefined;
  }
}

/** What is wrong with a token, by the error of jose, which may quote it. */
function faultOf(error: unknown): TokenFault {
  if (error instanceof errors.JWTExpired) {
    return "expired";
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return faultOfClaim(error);
  }
  return error instanceof errors.JWSSignatureVerificationFailed ? "signature" : "malformed";
}

function faultOfClaim({ claim, reason }: errors.JWTClaimValidationFailed): TokenFault {
  if (claim === "exp" && reason === "missing") {
    return "expiry";
  }
  if (claim === "nbf" && reason === "check_failed") {
    return "notYetValid";
  }
  if (claim === "iss") {
    return "issuer";
  }
  return claim === "aud" ? "audience" : "malformed";
}
