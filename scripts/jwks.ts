import { generateKeyPairSync, randomBytes } from "node:crypto";

/** How a key of each algorithm is made. */
const NEW_KEY = {
  HS256: () => ({ kty: "oct", k: randomBytes(32).toString("base64url") }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }),
  EdDSA: () => generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" }),
} as const;

export type KeyAlgorithm = keyof typeof NEW_KEY;

/** A set of keys (RFC 7517 section 5). */
export type KeySet = { keys: object[] };

/** A set with a new key to sign and check tokens with in front of the keys of another, which go on checking theirs. */
export function withNewKey(algorithm: KeyAlgorithm, { keys }: KeySet = { keys: [] }): KeySet {
  const kid = randomBytes(9).toString("base64url");
  return { keys: [{ ...NEW_KEY[algorithm](), kid, alg: algorithm, use: "sig" }, ...keys] };
}

/** Whether keys of an algorithm can be made. */
export function isKeyAlgorithm(name: string): name is KeyAlgorithm {
  return Object.hasOwn(NEW_KEY, name);
}
