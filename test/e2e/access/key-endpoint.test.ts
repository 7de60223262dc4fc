import { describe, expect, inject } from "vitest";

import { ErrorCode } from "../../../rpc/index.ts";
import { Client } from "../server/client.ts";
import { test as base } from "../server/fixtures.ts";
import { Server } from "../server/server.ts";

import { ANSWERS, KeyEndpoint } from "./key-endpoint.ts";
import { inSeconds, jwks, newKey, signedBy } from "./token-maker.ts";
import type { TestKey } from "./token-maker.ts";
import { WAYS } from "./ways.ts";
import type { Said } from "./ways.ts";

const TOKEN_ISSUER = "https://issuer.test";
const TOKEN_AUDIENCE = "streams";
/** No test waits for a real one. */
const FETCH_MS = "400";

const first = newKey("ES256", "first");
const second = newKey("RS256", "second");
const shared = newKey("HS256", "shared");

/** A server that asks an endpoint which has the first key; started by the test, with more settings. */
const test = base.extend<{
  endpoint: KeyEndpoint;
  start: (vars?: Record<string, string>, apiKey?: string) => Promise<Server>;
}>({
  // oxlint-disable-next-line no-empty-pattern
  endpoint: async ({}, use) => {
    await using endpoint = await KeyEndpoint.open(jwks(first.publicJwk));
    await use(endpoint);
  },

  start: async ({ data, endpoint }, use) => {
    await using started = new AsyncDisposableStack();
    await use(async (vars = {}, apiKey = "") => {
      const settings = { TOKEN_JWKS_URL: endpoint.url, TOKEN_ISSUER, TOKEN_AUDIENCE, TOKEN_KEYS_FETCH_MS: FETCH_MS };
      const server = started.use(
        new Server({ worker: inject("worker"), data, apiKey, vars: { ...settings, ...vars } }),
      );
      await server.start();
      return server;
    });
  },
});

const NO_KID = { kid: undefined };

let tokens = 0;

/** A token that was never sent before. */
function tokenBy(key: TestKey, header: object = {}): string {
  tokens += 1;
  const claims = { iss: TOKEN_ISSUER, aud: TOKEN_AUDIENCE, exp: inSeconds(600), rights: [], jti: String(tokens) };
  return signedBy(key, claims, header);
}

function ask({ url }: Server, token: string): Promise<Said> {
  return WAYS["POST /rpc"](url, token);
}

const TAKEN = { isLetIn: true };
const NO_KEY = { status: 401, error: { code: ErrorCode.Unauthenticated, reason: "key" } };
const UNAVAILABLE = { status: 503, error: { code: ErrorCode.Unavailable } };

test("takes tokens by the keys of the endpoint, and asks it once for all of them", async ({ start, endpoint }) => {
  const server = await start();

  for (const way of Object.values(WAYS)) {
    expect(await way(server.url, tokenBy(first))).toEqual(TAKEN);
  }
  expect(endpoint.asked).toEqual(["/keys"]);
});

test("asks once for any number of unknown keys, also at one time", async ({ start, endpoint }) => {
  const server = await start();
  const unknown = Array.from({ length: 40 }, (_, index) => tokenBy(first, { kid: `unknown-${index}` }));

  const said = await Promise.all(unknown.map((token) => ask(server, token)));
  const then = await ask(server, tokenBy(first, { kid: "one more" }));

  for (const each of [...said, then]) {
    expect(each).toMatchObject(NO_KEY);
  }
  expect(endpoint.asked).toEqual(["/keys"]);
});

test("takes tokens by a new key as soon as it may ask again, and by the old one until it is withdrawn", async ({
  start,
  endpoint,
}) => {
  const server = await start({ TOKEN_KEYS_PAUSE_MS: "0" });
  expect(await ask(server, tokenBy(first))).toEqual(TAKEN);

  endpoint.have(jwks(second.publicJwk, first.publicJwk));
  expect(await ask(server, tokenBy(second))).toEqual(TAKEN);
  expect(await ask(server, tokenBy(first))).toEqual(TAKEN);
  expect(endpoint.asked).toHaveLength(2);

  endpoint.have(jwks(second.publicJwk));
  expect(await ask(server, tokenBy(first, { kid: "unknown" }))).toMatchObject(NO_KEY);
  expect(await ask(server, tokenBy(first))).toMatchObject(NO_KEY);
});

test("no longer takes a token that it has taken, when its key is withdrawn", async ({ start, endpoint }) => {
  const server = await start({ TOKEN_KEYS_PAUSE_MS: "0", TOKEN_KEYS_MAX_AGE_MS: "0" });
  const token = tokenBy(first);
  expect(await ask(server, token)).toEqual(TAKEN);

  endpoint.have(jwks(second.publicJwk));

  await expect.poll(() => ask(server, token)).toMatchObject(NO_KEY);
});

test("leaves an open socket to the end of its token when the key is withdrawn, and takes no other token of it", async ({
  start,
  endpoint,
}) => {
  const server = await start({ TOKEN_KEYS_PAUSE_MS: "0", TOKEN_KEYS_MAX_AGE_MS: "0" });
  const client = await Client.connect({ url: server.url, apiKey: tokenBy(first) });

  endpoint.have(jwks(second.publicJwk));
  await expect.poll(() => ask(server, tokenBy(first))).toMatchObject(NO_KEY);

  expect(await client.call("getServerInfo", {})).toMatchObject({ name: "durable-stream" });
  expect(await client.callError("authenticate", { token: tokenBy(first) })).toMatchObject({
    code: ErrorCode.Unauthenticated,
    data: { reason: "key" },
  });
  expect(await client.call("authenticate", { token: tokenBy(second) })).toMatchObject({
    expiresAt: expect.any(Number),
  });
  client.terminate();
});

test.for<[what: string, keys: object[], header: object, taken: boolean]>([
  ["a key for encryption", [{ ...first.publicJwk, use: "enc" }], {}, false],
  ["a key of another algorithm", [{ ...first.publicJwk, alg: "ES384" }], {}, false],
  ["a key that may not verify", [{ ...first.publicJwk, key_ops: ["encrypt"] }], {}, false],
  ["a point that is on no curve", [{ ...first.publicJwk, x: "AA", y: "AA" }], {}, false],
  ["several keys for a token without a kid", [first.publicJwk, newKey("ES256", "other").publicJwk], NO_KID, false],
  ["two keys of one kid", [first.publicJwk, { ...newKey("ES256", "first").publicJwk }], {}, false],
  ["one key of its algorithm for a token without a kid", [first.publicJwk, second.publicJwk], NO_KID, true],
  ["keys that are not understood beside it", [{ kty: "AKP" }, {}, first.publicJwk], {}, true],
  ["what are no keys beside it", [[], first.publicJwk], {}, true],
])("takes or refuses a token by %s", async ([, keys, header, taken], { start, endpoint }) => {
  endpoint.have(jwks(...keys));
  const server = await start();

  expect(await ask(server, tokenBy(first, header))).toMatchObject(taken ? TAKEN : NO_KEY);
});

test("takes no secret that everybody can read", async ({ start, endpoint }) => {
  endpoint.have(jwks(first.publicJwk, shared.jwk));
  const server = await start();

  expect(await ask(server, tokenBy(shared))).toMatchObject(NO_KEY);
});

test("asks no place that the endpoint points to", async ({ start, endpoint }) => {
  endpoint.answer = (request, response) =>
    request.url === "/keys"
      ? void response.writeHead(302, { Location: "/elsewhere" }).end()
      : void response.end(jwks(first.publicJwk));
  const server = await start();

  expect(await ask(server, tokenBy(first))).toMatchObject(UNAVAILABLE);
  expect(endpoint.asked).toEqual(["/keys"]);
});

test("goes on for others when the request that asks is cut", async ({ start, endpoint }) => {
  const asked = Promise.withResolvers<() => void>();
  endpoint.answer = (_request, response) => asked.resolve(() => response.end(jwks(first.publicJwk)));
  const server = await start({ TOKEN_KEYS_FETCH_MS: "8000" });
  const cut = new AbortController();
  const headers = { Authorization: `Bearer ${tokenBy(first)}` };
  const begun = fetch(`${server.url}/rpc`, { method: "POST", headers, body: "{}", signal: cut.signal });
  const answer = await asked.promise;
  const other = ask(server, tokenBy(first));

  cut.abort();
  await expect(begun).rejects.toThrow();
  // The server has seen the end of that connection before it has answered on another one.
  await ask(server, "no token");
  answer();

  expect(await other).toEqual(TAKEN);
  expect(endpoint.asked).toHaveLength(1);
});

describe.each(Object.entries(ANSWERS))("an endpoint that does nothing but %s", (_what, answer) => {
  test("leaves the keys that were there", async ({ start, endpoint }) => {
    const server = await start({ TOKEN_KEYS_PAUSE_MS: "0" });
    expect(await ask(server, tokenBy(first))).toEqual(TAKEN);

    endpoint.answer = answer;

    expect(await ask(server, tokenBy(second))).toMatchObject(NO_KEY);
    expect(await ask(server, tokenBy(first))).toEqual(TAKEN);
    // The runtime itself asks again where a connection was cut.
    expect(endpoint.asked.length).toBeGreaterThan(1);
  });

  test("is told from a bad token while there never were keys, and asked again", async ({ start, endpoint }) => {
    const server = await start({ TOKEN_KEYS_FIRST_PAUSE_MS: "0" }, "root");
    endpoint.answer = answer;
    const token = tokenBy(first);

    for (const way of Object.values(WAYS)) {
      expect(await way(server.url, token)).toMatchObject(UNAVAILABLE);
    }
    expect(await ask(server, "root")).toEqual(TAKEN);
    // What a server logs comes by another way than its answers.
    await expect.poll(() => server.log).toContain("the keys at TOKEN_JWKS_URL could not be fetched");
    expect(server.log).not.toContain(token.split(".")[1]);

    endpoint.have(jwks(first.publicJwk));
    expect(await ask(server, token)).toEqual(TAKEN);
  });
});

describe.each([
  ["no issuer", { TOKEN_ISSUER: "" }],
  ["no audience", { TOKEN_AUDIENCE: "" }],
  ["http to another machine", { TOKEN_JWKS_URL: "http://keys.test/" }],
  ["what is no URL", { TOKEN_JWKS_URL: "keys" }],
  ["TOKEN_KEYS that are no JSON in its place", { TOKEN_JWKS_URL: "", TOKEN_KEYS: '{"k":"secret-text' }],
  ["TOKEN_KEYS without a key in its place", { TOKEN_JWKS_URL: "", TOKEN_KEYS: '{"keys":[]}' }],
])("with %s", (_what, vars) => {
  test("takes no token, and lets nobody in without a key", async ({ start, endpoint }) => {
    const server = await start(vars);

    const error = { code: ErrorCode.Unavailable, message: "no API_KEY is configured" };
    expect(await ask(server, tokenBy(first))).toMatchObject({ status: 503, error });
    expect(await WAYS["a socket by the subprotocol"](server.url, tokenBy(first))).toMatchObject({
      error: { code: 4503 },
    });
    expect(endpoint.asked).toEqual([]);
  });

  test("takes the key and no token, and says so once in its log", async ({ start, endpoint }) => {
    const server = await start(vars, "root");

    expect(await ask(server, "root")).toEqual(TAKEN);
    expect(await ask(server, tokenBy(first))).toMatchObject(NO_KEY);
    expect(endpoint.asked).toEqual([]);
    const lines = () => server.log.split("\n").filter((line) => line.includes("not used"));
    await expect.poll(lines).toHaveLength(1);
    expect(server.log).not.toContain("secret-text");
  });
});
