import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { describe, expect, it, vi } from "vitest";

import { ErrorCode, RpcError } from "../../rpc/index.ts";
import type { CheckedParams, MethodParams, MethodResult } from "../../rpc/index.ts";
import type { Access } from "../../src/access/access.ts";
import { accessOfCredential } from "../../src/access/authenticate.ts";
import { dispatch } from "../../src/json-rpc/dispatch.ts";
import { statelessContext } from "../../src/methods/stateless-context.ts";
import worker from "../../src/worker.ts";
import { connect } from "../harness/client.ts";
import { request } from "../harness/http.ts";

const READ = [{ streams: ["room.*"], actions: ["read" as const] }];
/** A point of P-256. */
const EC = {
  kty: "EC",
  crv: "P-256",
  x: "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
  y: "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
};
const MAY_ISSUE: Access = {
  rights: [
    { streams: ["room.*"], objects: ["pictures/"], actions: ["read", "publish", "objects.read"] },
    { actions: ["issueToken"] },
  ],
};

/** What a caller is given for what it asks. */
async function issued(access: Access, params: CheckedParams<"issueToken">, settings: object = {}) {
  const context = statelessContext({ ...env, ...settings }, access);
  return (await dispatch("issueToken", params, context)) as MethodResult<"issueToken">;
}

/** The error of what a caller may not ask. */
async function refused(access: Access, params: CheckedParams<"issueToken">, settings: object = {}): Promise<RpcError> {
  const error: unknown = await issued(access, params, settings).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RpcError)) {
    throw new Error(`expected an error of the contract, not ${String(error)}`);
  }
  return error;
}

/** Whose a token is. */
async function accessOf(token: string): Promise<Access> {
  const access = await accessOfCredential(token, env);
  if ("refused" in access) {
    throw new Error(access.message);
  }
  return access;
}

/** Calls a method over HTTP with a token. */
async function call(token: string, method: string, params: object): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const headers = { Authorization: `Bearer ${token}` };
  return (await request("/rpc", { method: "POST", body, headers })).json();
}

async function byRoot(params: MethodParams<"issueToken">): Promise<string> {
  const client = await connect();
  return (await client.call("issueToken", params)).token;
}

/** Params of a token of so many rights, each of about 600 characters. */
function asking(rights: number): CheckedParams<"issueToken"> {
  const right = { streams: Array.from({ length: 64 }, () => "room.1"), actions: ["read" as const] };
  return { rights: Array.from({ length: rights }, () => right) };
}

describe("issueToken", () => {
  it("gives a token that says what was asked", async () => {
    const before = Date.now();
    const params = { rights: READ, subject: "alice", prefix: "acme.", expiresInMs: 600_000 };

    const { token, expiresAt } = await issued(
      { rights: "all" },
      { ...params, publishesPerSecond: 5, socketsPerSubject: 2 },
    );

    expect(await accessOf(token)).toEqual({
      rights: READ,
      subject: "alice",
      prefix: "acme.",
      expiresAt,
      publishesPerSecond: 5,
      socketsPerSubject: 2,
    });
    expect(expiresAt).toBeGreaterThan(before + 600_000 - 1_001);
    expect(expiresAt).toBeLessThanOrEqual(Date.now() + 600_000);
    expect(decodeProtectedHeader(token)).toEqual({ typ: "JWT", alg: "HS256" });
    expect(decodeJwt(token)).toMatchObject({ sub: "alice", exp: expiresAt / 1_000 });
  });

  it("lasts for an hour unless asked otherwise, and up to 24 hours", async () => {
    const hour = await issued({ rights: "all" }, { rights: [] });
    const day = await issued({ rights: "all" }, { rights: [], expiresInMs: 86_400_000 });

    expect(Math.round((hour.expiresAt - Date.now()) / 60_000)).toBe(60);
    expect(await accessOf(day.token)).toEqual({ rights: [], expiresAt: day.expiresAt });
  });

  it("gives what holds for a caller over HTTP and on a socket, and no more", async () => {
    const token = await byRoot({ rights: [{ streams: ["room.*"], actions: ["read", "publish"] }], prefix: "acme." });
    const socket = await connect("/rpc", { Authorization: `Bearer ${token}` });
    const root = await connect();

    await socket.call("publish", { stream: "room.1", data: 1 });
    const read = await call(token, "getMessages", { stream: "room.1" });
    const deleted = await call(token, "deleteStream", { stream: "room.1" });
    const other = await socket.callError("publish", { stream: "lobby", data: 1 });
    const issuedBy = await call(token, "issueToken", { rights: [] });

    expect(read).toMatchObject({ result: { messages: [{ data: 1 }] } });
    expect(deleted).toMatchObject({ error: { code: ErrorCode.Forbidden, data: { method: "deleteStream" } } });
    expect(other).toMatchObject({ code: ErrorCode.Forbidden });
    expect(issuedBy).toMatchObject({ error: { code: ErrorCode.Forbidden, data: { action: "issueToken" } } });
    expect(await root.call("getMessages", { stream: "acme.room.1" })).toMatchObject({ messages: [{ data: 1 }] });
  });

  it("lets a token that may issue others, each within it", async () => {
    const service = await byRoot({
      rights: [{ streams: [">"], actions: ["read"] }, { actions: ["issueToken"] }],
      prefix: "acme.",
      publishesPerSecond: 10,
    });

    const narrower = await call(service, "issueToken", { rights: READ, prefix: "eu." });
    const wider = await call(service, "issueToken", { rights: [{ streams: ["a"], actions: ["manage"] }] });

    const { result } = narrower as { result: MethodResult<"issueToken"> };
    expect(await accessOf(result.token)).toMatchObject({ rights: READ, prefix: "acme.eu.", publishesPerSecond: 10 });
    expect(wider).toMatchObject({ error: { code: ErrorCode.Forbidden } });
  });

  it.each<[what: string, caller: Access, params: CheckedParams<"issueToken">]>([
    ["other streams", MAY_ISSUE, { rights: [{ streams: [">"], actions: ["read"] }] }],
    ["other objects", MAY_ISSUE, { rights: [{ objects: ["p"], actions: ["objects.read"] }] }],
    ["other actions", MAY_ISSUE, { rights: [{ streams: ["room.1"], actions: ["manage"] }] }],
    ["a right beside one that is its own", MAY_ISSUE, { rights: [...READ, { streams: ["a"], actions: ["read"] }] }],
    ["its streams behind a prefix that leads out of them", MAY_ISSUE, { rights: READ, prefix: "lobby." }],
    ["more publishes", { ...MAY_ISSUE, publishesPerSecond: 5 }, { rights: [], publishesPerSecond: 6 }],
    ["more sockets", { ...MAY_ISSUE, socketsPerSubject: 1 }, { rights: [], socketsPerSubject: 2 }],
    ["anything when it may not", { rights: READ }, { rights: [] }],
  ])("is Forbidden to a caller that asks for %s", async (_what, caller, params) => {
    expect(await refused(caller, params)).toMatchObject({ code: ErrorCode.Forbidden, data: { method: "issueToken" } });
  });

  it.each(["publishesPerSecond", "socketsPerSubject"] as const)("says nothing of the caller's own %s", async (name) => {
    const { message, data } = await refused({ ...MAY_ISSUE, [name]: 12_345 }, { rights: [], [name]: 12_346 });

    expect(JSON.stringify([message, data])).toContain(name);
    expect(JSON.stringify([message, data])).not.toContain("12345");
  });

  it("never outlasts its caller, and passes on its limits and prefix", async () => {
    const expiresAt = Math.floor(Date.now() / 1_000) * 1_000 + 90_000;
    const caller = { ...MAY_ISSUE, prefix: "acme.", expiresAt, publishesPerSecond: 5, socketsPerSubject: 2 };

    const { token } = await issued(caller, { rights: READ, expiresInMs: 86_400_000, socketsPerSubject: 1 });

    const limits = { publishesPerSecond: 5, socketsPerSubject: 1 };
    expect(await accessOf(token)).toEqual({ rights: READ, prefix: "acme.", expiresAt, ...limits });
  });

  it("refuses a prefix that is too long with the caller's own", async () => {
    const error = await refused({ ...MAY_ISSUE, prefix: `${"p".repeat(59)}.` }, { rights: [], prefix: "four." });

    expect(error).toMatchObject({ code: ErrorCode.InvalidParams, data: { issues: [{ path: "prefix" }] } });
  });

  it.each<[what: string, settings: object]>([
    ["no TOKEN_KEYS", { TOKEN_KEYS: "" }],
    [
      "public keys only",
      { TOKEN_KEYS: '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}' },
    ],
    ["a secret that may only verify", { TOKEN_KEYS: env.TOKEN_KEYS?.replace('"kty"', '"key_ops":["verify"],"kty"') }],
  ])("is NotFound with %s", async (_what, settings) => {
    const error = await refused({ rights: "all" }, { rights: [] }, settings);

    expect(error).toMatchObject({ code: ErrorCode.NotFound, data: { what: "signingKey" } });
  });

  it.each<[what: string, jwk: object]>([
    ["a private key that is none of its point", { ...EC, d: "c2VjcmV0LXRleHQ" }],
    ["a private key that is longer than the curve", { ...EC, d: "c2VjcmV0LXRleHQ".repeat(8) }],
    ["a private key of no point", { ...EC, x: "AA", y: "AA", d: "c2VjcmV0LXRleHQ" }],
    ["half a key of RSA", { kty: "RSA", n: "c2VjcmV0LXRleHQ".repeat(30), e: "AQAB", d: "c2VjcmV0LXRleHQ" }],
    ["a key of Ed25519 that is too short", { kty: "OKP", crv: "Ed25519", x: EC.x, d: "c2VjcmV0LXRleHQ" }],
  ])("tells nobody and no log a part of %s", async (_what, jwk) => {
    const log = vi.spyOn(console, "error").mockReturnValue();
    const settings = { ...env, TOKEN_KEYS: JSON.stringify({ keys: [jwk] }) };
    const body = '{"jsonrpc":"2.0","id":1,"method":"issueToken","params":{"rights":[]}}';
    const headers = { Authorization: `Bearer ${env.API_KEY}` };
    const incoming = new Request("http://stream.test/rpc", { method: "POST", body, headers });

    const response = await worker.fetch(
      incoming as Parameters<typeof worker.fetch>[0],
      settings,
      createExecutionContext(),
    );

    const told = [await response.text(), ...log.mock.calls.map(String)].join("\n");
    log.mockRestore();
    expect(told).toMatch(/-32603|signingKey/);
    expect(told).not.toMatch(/c2VjcmV0|secret-text/);
  });

  it("refuses rights that make a token longer than is taken, and gives those up to that", async () => {
    const error = await refused({ rights: "all" }, asking(24));
    const { token } = await issued({ rights: "all" }, asking(18));

    expect(error).toMatchObject({ code: ErrorCode.InvalidParams, data: { issues: [{ path: "rights" }] } });
    expect(await accessOf(token)).toMatchObject(asking(18));
  });

  it.each<[what: string, keysOf: (key: object) => object[], kid: string]>([
    [
      "may sign and not check",
      (key) => [
        { ...key, key_ops: ["sign"], kid: "first" },
        { ...key, kid: "next" },
      ],
      "next",
    ],
    ["can not be told from another", (key) => [key, key, { ...key, kid: "next" }], "next"],
    [
      "have one name",
      (key) => [
        { ...key, kid: "same" },
        { ...key, kid: "same" },
        { ...key, kid: "next" },
      ],
      "next",
    ],
  ])("signs with no keys that %s: the server would not take it", async (_what, keysOf, kid) => {
    const [key] = (JSON.parse(env.TOKEN_KEYS ?? "") as { keys: [object] }).keys;
    const settings = { TOKEN_KEYS: JSON.stringify({ keys: keysOf(key) }) };

    const { token } = await issued({ rights: "all" }, { rights: [] }, settings);

    expect(decodeProtectedHeader(token).kid).toBe(kid);
    expect(await accessOfCredential(token, { ...env, ...settings })).toMatchObject({ rights: [] });
    const without = { TOKEN_KEYS: JSON.stringify({ keys: keysOf(key).slice(0, -1) }) };
    expect(await refused({ rights: "all" }, { rights: [] }, without)).toMatchObject({ data: { what: "signingKey" } });
  });

  it("is taken when its key had no kid, and another is put in front", async () => {
    const { keys } = JSON.parse(env.TOKEN_KEYS ?? "") as { keys: object[] };
    const k = btoa("k".repeat(33));
    const next = JSON.stringify({ keys: [{ kty: "oct", k, kid: "next" }, ...keys] });
    const { token } = await issued({ rights: "all" }, { rights: READ });

    expect(decodeProtectedHeader(token).kid).toBeUndefined();
    expect(await accessOfCredential(token, { ...env, TOKEN_KEYS: next })).toMatchObject({ rights: READ });
  });

  it("signs with the first key that can, and for the issuer and audience that are checked", async () => {
    const [key] = (JSON.parse(env.TOKEN_KEYS ?? "") as { keys: object[] }).keys;
    const keys = [
      { ...key, key_ops: ["verify"], kid: "old" },
      { ...key, kid: "new" },
      { ...key, kid: "later" },
    ];
    const settings = { TOKEN_KEYS: JSON.stringify({ keys }), TOKEN_ISSUER: "https://me.test", TOKEN_AUDIENCE: "me" };

    const { token } = await issued({ rights: "all" }, { rights: [] }, settings);

    expect(decodeProtectedHeader(token).kid).toBe("new");
    expect(decodeJwt(token)).toMatchObject({ iss: "https://me.test", aud: "me" });
    expect(await accessOfCredential(token, { ...env, ...settings })).toMatchObject({ rights: [] });
  });
});
