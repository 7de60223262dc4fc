import { randomBytes, sign as signDer } from "node:crypto";

import jwt from "jsonwebtoken";
import { describe, expect } from "vitest";

import { ErrorCode } from "../../../rpc/index.ts";
import { TOKEN_FAULTS } from "../../../src/access/tokens/token-fault.ts";
import type { TokenFault } from "../../../src/access/tokens/token-fault.ts";
import { sharingServer } from "../server/fixtures.ts";

import { inSeconds, jwks, newKey, signedBy, signing, tokenOf } from "./token-maker.ts";
import { WAYS } from "./ways.ts";

const ISSUER = "https://issuer.test";
const AUDIENCE = "streams";
/** Stands in every token, and may stand in no answer and no log. */
const SUBJECT = "subject-of-nobody-else";
const DAY_S = 86_400;

const secret = newKey("HS256", "secret");
const second = newKey("HS256", "second");
const curve = newKey("ES256", "curve");
const edwards = newKey("EdDSA", "edwards");
const rsa = newKey("RS256", "rsa");
const forEncryption = newKey("HS256", "for-encryption");
const forSigning = newKey("HS256", "for-signing");
const ofAnother = newKey("HS256", "of-another-algorithm");
const weak = newKey("HS256", "weak");
const stranger = newKey("ES256", "curve");

const TOKEN_KEYS = jwks(
  secret.jwk,
  second.jwk,
  { ...curve.jwk, key_ops: ["sign"] },
  { ...edwards.publicJwk, alg: "EdDSA", use: "sig", key_ops: ["verify"] },
  { ...rsa.publicJwk, alg: "RS256" },
  { ...forEncryption.jwk, use: "enc" },
  { ...forSigning.jwk, key_ops: ["sign"] },
  { ...ofAnother.jwk, alg: "HS512" },
  { ...weak.jwk, k: randomBytes(16).toString("base64url") },
  { kty: "AKP", alg: "ML-DSA-44", pub: "AA" },
);

const test = sharingServer({ vars: { TOKEN_KEYS, TOKEN_ISSUER: ISSUER, TOKEN_AUDIENCE: AUDIENCE } });

/** What a token that is taken says, and what is said in place of it. */
function claims(others: object = {}): Record<string, unknown> {
  const rights = [{ streams: ["room.*"], actions: ["read", "publish"] }];
  return { iss: ISSUER, aud: AUDIENCE, sub: SUBJECT, exp: inSeconds(600), rights, ...others };
}

function without(name: string): object {
  const { [name]: _left, ...rest } = claims();
  return rest;
}

/** A token of the secret with claims in place of the usual ones. */
function saying(others: object): string {
  return signedBy(secret, claims(others));
}

function withRights(...rights: object[]): string {
  return saying({ rights });
}

/** A token of the length, with a claim that means nothing. */
function ofLength(characters: number): string {
  const short = saying({ padding: "" }).length;
  const token = saying({ padding: "p".repeat(Math.floor(((characters - short) * 3) / 4)) });
  return token.length === characters ? token : ofLength(characters - 1);
}

const TAKEN: [what: string, token: () => string][] = [
  ["a secret, by jsonwebtoken", () => jwt.sign(claims(), secret.key, { keyid: "secret" })],
  ["a key of RSA, by jsonwebtoken", () => jwt.sign(claims(), rsa.key, { keyid: "rsa", algorithm: "RS256" })],
  ["a key of P-256, by jsonwebtoken", () => jwt.sign(claims(), curve.key, { keyid: "curve", algorithm: "ES256" })],
  ["a key of Ed25519, by hand", () => signedBy(edwards, claims())],
  ["the one key that fits, without a kid", () => signedBy(curve, claims(), { kid: undefined })],
  ["another secret of the set", () => signedBy(second, claims())],
  ["no typ", () => signedBy(secret, claims(), { typ: undefined })],
  ["a typ in another case", () => signedBy(secret, claims(), { typ: "jwt" })],
  ["an end of just now, by a clock that is behind", () => saying({ exp: inSeconds(-50) })],
  ["a beginning just now, by a clock that is ahead", () => saying({ nbf: inSeconds(50), iat: inSeconds(50) })],
  ["24 hours", () => saying({ exp: inSeconds(DAY_S), iat: inSeconds(0) })],
  ["one audience of several", () => saying({ aud: ["others", AUDIENCE] })],
  ["no rights at all", () => withRights()],
  ["a right of no stream", () => withRights({ streams: [], actions: ["read"] })],
  ["all that may be in a list", () => withRights({ streams: Array.from({ length: 64 }, String), actions: ["read"] })],
  ["a claim that is said twice", () => signedBy(secret, JSON.stringify(claims()).replace("{", '{"exp":1,'))],
  ["a name of every object", () => signedBy(secret, withProto(claims()))],
  ["no subject", () => signedBy(secret, without("sub"))],
  ["a prefix and limits", () => saying({ prefix: `${"p".repeat(63)}.`, publishesPerSecond: 1, socketsPerSubject: 2 })],
  ["claims that mean nothing here", () => saying({ scope: "all", jti: "1", azp: 1 })],
  ["16 KiB", () => ofLength(16_384)],
];

const REFUSED: [what: string, token: () => string, fault: TokenFault][] = [
  ["no signature", () => tokenOf({ alg: "none" }, claims(), () => Buffer.alloc(0)), "algorithm"],
  ["alg none, and a signature", () => signedBy(secret, claims(), { alg: "none" }), "algorithm"],
  ["alg nOnE", () => tokenOf({ alg: "nOnE", kid: "secret" }, claims(), () => Buffer.alloc(0)), "algorithm"],
  ["no alg", () => signedBy(secret, claims(), { alg: undefined }), "malformed"],
  ["an algorithm that is not taken", () => signedBy(secret, claims(), { alg: "HS512" }), "algorithm"],
  ["HS256 with a public key as the secret", () => forgedByPublicKey("rsa"), "key"],
  ["HS256 with a public key as the secret, and its kid", () => forgedByPublicKey("secret"), "signature"],
  ["the kid of a key of another algorithm", () => signedBy(edwards, claims(), { alg: "ES256" }), "key"],
  ["RS256 by a key that is of P-256", () => signedBy(curve, claims(), { alg: "RS256" }), "key"],
  ["a kid that is not known", () => signedBy(secret, claims(), { kid: "unknown" }), "key"],
  ["a kid that is a path", () => signedBy(secret, claims(), { kid: "../../../../dev/null" }), "key"],
  ["a kid that is SQL", () => signedBy(secret, claims(), { kid: "x' UNION SELECT 'k" }), "key"],
  ["a kid that is a name of every object", () => signedBy(secret, claims(), { kid: "__proto__" }), "key"],
  ["a kid that is a number", () => signedBy(secret, claims(), { kid: 1 }), "malformed"],
  ["no kid where two keys fit", () => signedBy(secret, claims(), { kid: undefined }), "key"],
  ["a key for encryption", () => signedBy(forEncryption, claims()), "key"],
  ["a secret that may only sign", () => signedBy(forSigning, claims()), "key"],
  ["a key that says another algorithm", () => signedBy(ofAnother, claims()), "key"],
  ["a secret of 128 bits", () => signedBy(weak, claims()), "key"],
  ["a stranger's key with the kid of ours", () => signedBy(stranger, claims()), "signature"],
  ["a stranger's key, brought along", () => signedBy(stranger, claims(), { jwk: stranger.publicJwk }), "signature"],
  ["the URL of a stranger's keys", () => signedBy(stranger, claims(), { jku: "https://stranger.test" }), "signature"],
  ["critical headers that nobody knows", () => signedBy(secret, claims(), { crit: ["x"], x: 1 }), "critical"],
  ["a critical header that some know", () => signedBy(secret, claims(), { crit: ["b64"], b64: true }), "critical"],
  ["no critical headers, in a list", () => signedBy(secret, claims(), { crit: [] }), "critical"],
  ["another type", () => signedBy(secret, claims(), { typ: "at+jwt" }), "type"],
  ["a type that is no text", () => signedBy(secret, claims(), { typ: 1 }), "malformed"],
  ["a header that is no JSON", () => tokenOf("{", claims(), signing(secret)), "malformed"],
  ["a header that is a list", () => tokenOf("[]", claims(), signing(secret)), "malformed"],
  ["claims that are no JSON", () => signedBy(secret, "{"), "malformed"],
  ["claims that are a list", () => signedBy(secret, "[]"), "malformed"],
  ["claims that are no UTF-8", () => cutClaims(), "malformed"],
  ["half a signature", () => saying({}).slice(0, -20), "signature"],
  ["a signature of other claims", () => withClaimsOf(saying({ sub: "another" }), saying({})), "signature"],
  ["a signature in another form", () => tokenOf(CURVE_HEADER, claims(), inDer), "signature"],
  ["a signature of zeros", () => tokenOf(CURVE_HEADER, claims(), () => Buffer.alloc(64)), "signature"],
  ["no end", () => signedBy(secret, without("exp")), "expiry"],
  ["an end that is text", () => saying({ exp: String(inSeconds(600)) }), "malformed"],
  ["an end that is null", () => saying({ exp: null }), "malformed"],
  ["an end 70 s ago", () => saying({ exp: inSeconds(-70) }), "expired"],
  ["an end of 61 s ago", () => saying({ exp: inSeconds(-61) }), "expired"],
  ["an end before all time", () => saying({ exp: -1 }), "expired"],
  ["an end in a list", () => saying({ exp: [inSeconds(600)] }), "malformed"],
  ["an end in more than 24 hours", () => saying({ exp: inSeconds(DAY_S + 120) }), "lifetime"],
  [
    "an end more than 24 hours after it was issued",
    () => saying({ iat: inSeconds(-120), exp: inSeconds(DAY_S) }),
    "lifetime",
  ],
  [
    "an end beyond all time",
    () => signedBy(secret, JSON.stringify(claims({ exp: 0 })).replace('"exp":0', '"exp":1e999')),
    "lifetime",
  ],
  ["a beginning in 70 s", () => saying({ nbf: inSeconds(70) }), "notYetValid"],
  ["a beginning that is text", () => saying({ nbf: "now" }), "malformed"],
  ["an issue in 70 s", () => saying({ iat: inSeconds(70) }), "notYetValid"],
  ["another issuer", () => saying({ iss: "https://issuer.test/" }), "issuer"],
  ["no issuer", () => signedBy(secret, without("iss")), "issuer"],
  ["another audience", () => saying({ aud: "others" }), "audience"],
  ["no audience", () => signedBy(secret, without("aud")), "audience"],
  ["no claim of rights", () => signedBy(secret, without("rights")), "rights"],
  ["rights behind a name of every object", () => signedBy(secret, withProto(without("rights"))), "rights"],
  ["rights by another name", () => saying({ rights: undefined, Rights: [] }), "rights"],
  ["rights that are null", () => saying({ rights: null }), "rights"],
  ["rights that are text", () => saying({ rights: "[]" }), "rights"],
  ["rights by their numbers", () => saying({ rights: { 0: { actions: ["read"] }, length: 1 } }), "rights"],
  ["all rights", () => saying({ rights: "all" }), "rights"],
  ["one right that is not in a list", () => saying({ rights: { actions: ["read"] } }), "rights"],
  ["an action that nobody knows", () => withRights({ streams: [">"], actions: ["read", "everything"] }), "rights"],
  ["a right with a field that nobody knows", () => withRights({ stream: ["a"], actions: ["read"] }), "rights"],
  ["a right without actions", () => withRights({ streams: ["a"] }), "rights"],
  ["a right of no action", () => withRights({ streams: ["a"], actions: [] }), "rights"],
  ["an action that is text", () => withRights({ streams: ["a"], actions: "read" }), "rights"],
  ["an action in another case", () => withRights({ streams: ["a"], actions: ["Read"] }), "rights"],
  ["an action of every object", () => withRights({ streams: ["a"], actions: ["constructor"] }), "rights"],
  ["streams that are text", () => withRights({ streams: ">", actions: ["read"] }), "rights"],
  ["streams that are null", () => withRights({ streams: null, actions: ["read"] }), "rights"],
  ["subjects that are null", () => withRights({ streams: ["a"], actions: ["read"], subjects: null }), "rights"],
  ["a right that is null", () => saying({ rights: [null] }), "rights"],
  ["a right that is a list", () => saying({ rights: [[]] }), "rights"],
  ["a right behind a name of every object", () => signedBy(secret, withProtoRight()), "rights"],
  ["a wildcard within a token", () => withRights({ streams: ["a*"], actions: ["read"] }), "rights"],
  ["two wildcards in a token", () => withRights({ streams: ["**"], actions: ["read"] }), "rights"],
  ["a rest within a token", () => withRights({ streams: ["a>"], actions: ["read"] }), "rights"],
  ["an empty pattern", () => withRights({ streams: [""], actions: ["read"] }), "rights"],
  ["a pattern of another alphabet", () => withRights({ streams: ["ａ"], actions: ["read"] }), "rights"],
  ["a pattern with an escape", () => withRights({ streams: ["a%2E>"], actions: ["read"] }), "rights"],
  ["a pattern with a line break behind it", () => withRights({ streams: ["a\n"], actions: ["read"] }), "rights"],
  ["65 streams", () => withRights({ streams: Array.from({ length: 65 }, String), actions: ["read"] }), "rights"],
  ["a pattern that is none", () => withRights({ streams: ["a.>.b"], actions: ["read"] }), "rights"],
  ["33 rights", () => withRights(...Array.from({ length: 33 }, () => ({ actions: ["read"] }))), "rights"],
  ["a prefix with a slash", () => saying({ prefix: "a/b." }), "claims"],
  ["a prefix that begins with a dot", () => saying({ prefix: ".a." }), "claims"],
  ["a prefix without a dot, which may begin another", () => saying({ prefix: "a" }), "claims"],
  ["a prefix of no token", () => saying({ prefix: "a.." }), "claims"],
  ["a prefix with an escape", () => saying({ prefix: "a%2Fb." }), "claims"],
  ["a prefix that is no ASCII", () => saying({ prefix: "ａ." }), "claims"],
  ["a prefix with a line break behind it", () => saying({ prefix: "a.\n" }), "claims"],
  ["a prefix that is a list", () => saying({ prefix: ["a."] }), "claims"],
  ["a prefix that is null", () => saying({ prefix: null }), "claims"],
  ["an empty prefix", () => saying({ prefix: "" }), "claims"],
  ["a prefix of 65 characters", () => saying({ prefix: `${"p".repeat(64)}.` }), "claims"],
  ["an empty subject", () => saying({ sub: "" }), "claims"],
  ["a subject of 257 characters", () => saying({ sub: "s".repeat(257) }), "claims"],
  ["a subject that is a number", () => saying({ sub: 1 }), "claims"],
  ["a limit that is text", () => saying({ publishesPerSecond: "5" }), "claims"],
  ["a limit below none", () => saying({ socketsPerSubject: -1 }), "claims"],
  ["a limit of none", () => saying({ publishesPerSecond: 0 }), "claims"],
  ["a limit that is no whole number", () => saying({ socketsPerSubject: 1.5 }), "claims"],
  ["more than 16 KiB", () => `${ofLength(16_384)}AAAA`, "tooLarge"],
];

/** Claims with one of a name that is special on objects, as text. */
function withProto(others: object): string {
  return JSON.stringify(others).replace("{", '{"__proto__":{"rights":[],"prefix":"a."},');
}

function withProtoRight(): string {
  const right = '{"__proto__":{"streams":[">"]},"actions":["read"]}';
  return JSON.stringify(claims({ rights: [] })).replace('"rights":[]', `"rights":[${right}]`);
}

const CURVE_HEADER = { typ: "JWT", alg: "ES256", kid: "curve" };

function inDer(input: string): Buffer {
  return signDer("sha256", Buffer.from(input), curve.key);
}

function forgedByPublicKey(kid: string): string {
  const pem = JSON.stringify(rsa.publicJwk);
  return tokenOf({ alg: "HS256", kid }, claims(), (input) =>
    Buffer.from(jwt.sign(input, pem).split(".")[2] ?? "", "base64url"),
  );
}

function cutClaims(): string {
  const [head = ""] = saying({}).split(".");
  const input = `${head}.${Buffer.from([0x7b, 0xff, 0x7d]).toString("base64url")}`;
  return `${input}.${signing(secret)(input).toString("base64url")}`;
}

function withClaimsOf(claimed: string, signed: string): string {
  const [head, payload] = claimed.split(".");
  return [head, payload, signed.split(".")[2]].join(".");
}

const everyWay = Object.entries(WAYS);

/** Whatever of a token could tell what is in it. */
function partsOf(token: string): string[] {
  return token.split(".").filter((part) => part.length > 20);
}

describe.each(everyWay)("%s", (_way, ask) => {
  test.for(TAKEN)("takes a token with %s", async ([, token], { server }) => {
    expect(await ask(server.url, token())).toEqual({ isLetIn: true });
  });

  test.for(REFUSED)("refuses a token with %s, and says why", async ([, make, fault], { server }) => {
    const token = make();

    const said = await ask(server.url, token);

    const message = TOKEN_FAULTS[fault];
    expect(said).toMatchObject({ isLetIn: false, error: { code: ErrorCode.Unauthenticated, message } });
    if (!said.isLetIn && said.status !== 101) {
      expect(said).toMatchObject({ status: 401, error: { reason: fault } });
      expect(said.challenge).toBe(
        `Bearer realm="durable-stream", error="invalid_token", error_description="${message}"`,
      );
    }
    for (const secretText of [...partsOf(token), SUBJECT, ISSUER, AUDIENCE]) {
      expect(JSON.stringify(said)).not.toContain(secretText);
    }
  });
});

test("logs nothing of all these but that keys are not used", ({ server }) => {
  const lines = server.log.split("\n").filter((line) => line.includes('"level":"error"'));

  for (const line of lines) {
    expect(line).toContain('"what":"keys of TOKEN_KEYS are not used"');
  }
  expect(lines.length).toBeGreaterThan(0);
  const keys = [secret, second, weak, forSigning].map(({ jwk }) => ("k" in jwk ? String(jwk.k) : ""));
  for (const secretText of [SUBJECT, "eyJ", ...keys]) {
    expect(server.log).not.toContain(secretText);
  }
});
