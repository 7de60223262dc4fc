import { importJWK } from "jose";
import * as v from "valibot";

/** The algorithms of signatures that are taken. A key is of one of them by its type. */
export const ALGORITHMS = ["HS256", "ES256", "EdDSA", "RS256"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** 256 bits in base64url, and 2,048: a shorter key of HS256 or RS256 is not used (RFC 7518 sections 3.2 and 3.3). */
const OCT_CHARACTERS = 43;
const RSA_CHARACTERS = 342;

const Part = v.optional(v.pipe(v.string(), v.regex(/^[\w-]+$/)));

/** What is read of a JWK (RFC 7517, RFC 7518 section 6, RFC 8037). */
const Jwk = v.object({
  kty: v.picklist(["oct", "EC", "OKP", "RSA"]),
  kid: v.optional(v.string()),
  alg: v.optional(v.string()),
  use: v.optional(v.string()),
  key_ops: v.optional(v.array(v.string())),
  crv: v.optional(v.string()),
  k: Part,
  x: Part,
  y: Part,
  n: Part,
  e: Part,
  d: Part,
  p: Part,
  q: Part,
  dp: Part,
  dq: Part,
  qi: Part,
});
type Jwk = v.InferOutput<typeof Jwk>;

const JwkSet = v.object({ keys: v.array(v.unknown()) });

/** What jose signs and verifies with. */
type Imported = Awaited<ReturnType<typeof importJWK>>;

/** One key of a set. */
export class Key {
  readonly algorithm: Algorithm;
  readonly #jwk: Jwk;
  #verifying: Imported | undefined;

  constructor(jwk: Jwk, algorithm: Algorithm) {
    this.#jwk = jwk;
    this.algorithm = algorithm;
  }

  get kid(): string | undefined {
    return this.#jwk.kid;
  }

  /** Whether its `key_ops` let it verify; whoever holds a private key has the public one. */
  get mayVerify(): boolean {
    const { key_ops: operations, kty } = this.#jwk;
    return operations === undefined || operations.includes("verify") || (kty !== "oct" && this.maySign);
  }

  get maySign(): boolean {
    const { key_ops: operations, kty, d } = this.#jwk;
    return (kty === "oct" || d !== undefined) && (operations === undefined || operations.includes("sign"));
  }

  /** The key to verify with, of a private key its public half. */
  async verifying(): Promise<Imported> {
    const { kty, crv, k, x, y, n, e } = this.#jwk;
    this.#verifying ??= await importJWK(withoutAbsent({ kty, crv, k, x, y, n, e }), this.algorithm);
    return this.#verifying;
  }

  signing(): Promise<Imported> {
    const { kid: _kid, alg: _alg, use: _use, key_ops: _operations, ...key } = this.#jwk;
    return importJWK(withoutAbsent(key), this.algorithm);
  }
}

/** The keys of a set that can be used, in its order; those of other types and purposes are left out (RFC 7517 section 5). */
export type Keys = { readonly keys: readonly Key[]; readonly unused: number };

/**
 * Reads a set of keys.
 *
 * @param isSecret Whether nobody else knows it: of a set that is public, a shared secret is none.
 * @returns Undefined when it is no JWKS.
 */
export function keysOf(text: string, isSecret: boolean): Keys | undefined {
  const parsed = v.safeParse(JwkSet, parseJson(text));
  if (!parsed.success) {
    return undefined;
  }
  const keys = parsed.output.keys.flatMap((jwk) => keyOf(jwk, isSecret));
  return { keys, unused: parsed.output.keys.length - keys.length };
}

function keyOf(value: unknown, isSecret: boolean): Key[] {
  const parsed = v.safeParse(Jwk, value);
  if (!parsed.success) {
    return [];
  }
  const jwk = parsed.output;
  const algorithm = algorithmOf(jwk, isSecret);
  const isUsed = (jwk.alg ?? algorithm) === algorithm && (jwk.use ?? "sig") === "sig";
  return algorithm !== undefined && isUsed ? [new Key(jwk, algorithm)] : [];
}

/** The one algorithm that a key is for; undefined when it has none here, or is too weak or incomplete. */
function algorithmOf({ kty, crv, k = "", x, y, n = "", e }: Jwk, isSecret: boolean): Algorithm | undefined {
  switch (kty) {
    case "oct":
      return isSecret && k.length >= OCT_CHARACTERS ? "HS256" : undefined;
    case "EC":
      return crv === "P-256" && x !== undefined && y !== undefined ? "ES256" : undefined;
    case "OKP":
      return crv === "Ed25519" && x !== undefined ? "EdDSA" : undefined;
    case "RSA":
      return n.length >= RSA_CHARACTERS && e !== undefined ? "RS256" : undefined;
    default:
      return undefined;
  }
}

function withoutAbsent<T extends object>(jwk: T): { [Name in keyof T]: NonNullable<T[Name]> } {
  return JSON.parse(JSON.stringify(jwk));
}

/** The error of `JSON.parse` quotes its text, which here is a secret. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No JSON, so no JWKS: the caller says so.
    return undefined;
  }
}
