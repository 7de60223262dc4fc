/** Tokens made by hand with the crypto of Node.js: by other code than that which checks them, and as wrong as one likes. */
import { createHmac, createSecretKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

/** A key of a test, and how it stands in a JWKS. */
export type TestKey = {
  readonly alg: string;
  readonly kid: string;
  /** A secret, or a private key. */
  readonly key: KeyObject;
  readonly jwk: object;
  /** Without what is private. */
  readonly publicJwk: object;
};

/** A new key for an algorithm. */
export function newKey(alg: "HS256" | "ES256" | "EdDSA" | "RS256", kid: string): TestKey {
  if (alg === "HS256") {
    const secret = randomBytes(32);
    const jwk = { kty: "oct", k: secret.toString("base64url"), kid };
    return { alg, kid, key: createSecretKey(secret), jwk, publicJwk: jwk };
  }
  const { privateKey, publicKey } = pairOf(alg);
  const [jwk, publicJwk] = [privateKey, publicKey].map((key) => ({ ...key.export({ format: "jwk" }), kid }));
  return { alg, kid, key: privateKey, jwk: jwk ?? {}, publicJwk: publicJwk ?? {} };
}

function pairOf(alg: "ES256" | "EdDSA" | "RS256") {
  if (alg === "ES256") {
    return generateKeyPairSync("ec", { namedCurve: "P-256" });
  }
  return alg === "EdDSA" ? generateKeyPairSync("ed25519") : generateKeyPairSync("rsa", { modulusLength: 2_048 });
}

/** A token with any header and claims; text is taken as it is. */
export function tokenOf(header: object | string, claims: object | string, signed: (input: string) => Buffer): string {
  const input = `${base64url(header)}.${base64url(claims)}`;
  return `${input}.${signed(input).toString("base64url")}`;
}

function base64url(part: object | string): string {
  return Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");
}

/** Signs as a key does. */
export function signing({ alg, key }: Pick<TestKey, "alg" | "key">): (input: string) => Buffer {
  switch (alg) {
    case "HS256":
      return (input) => createHmac("sha256", key).update(input).digest();
    case "ES256":
      return (input) => sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
    case "RS256":
      return (input) => sign("sha256", Buffer.from(input), key);
    default:
      return (input) => sign(null, Buffer.from(input), key);
  }
}

/** A token that a key signs, with claims in place of those of its header. */
export function signedBy(key: TestKey, claims: object | string, header: object = {}): string {
  return tokenOf({ typ: "JWT", alg: key.alg, kid: key.kid, ...header }, claims, signing(key));
}

/** Now and some seconds, as a token says it. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1_000) + seconds;
}

/** Keys as TOKEN_KEYS and an endpoint have them. */
export function jwks(...keys: object[]): string {
  return JSON.stringify({ keys });
}
