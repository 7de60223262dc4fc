import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import worker from "../../src/worker.ts";
import { connect } from "../harness/client.ts";
import { request } from "../harness/http.ts";

const SUBPROTOCOL = "durable-stream.v1";
const WEBSOCKET = { Upgrade: "websocket" };
const CALL = '{"jsonrpc":"2.0","id":1,"method":"publish","params":{"stream":"a","data":1}}';

function bearer(key: string): string {
  const binary = String.fromCharCode(...new TextEncoder().encode(key));
  return `bearer.${btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

const ENDPOINTS: [what: string, path: string, init: RequestInit][] = [
  ["a socket on /rpc", "/rpc", { headers: WEBSOCKET }],
  ["a socket on /stream", "/stream/a", { headers: WEBSOCKET }],
  ["POST /rpc", "/rpc", { method: "POST", body: CALL }],
  ["a path that does not exist", "/nowhere", {}],
];

/** What is refused, and the reason that is told. */
const REFUSED: [what: string, headers: Record<string, string>, reason: string][] = [
  ["no key", {}, "missing"],
  ["another subprotocol", { "Sec-WebSocket-Protocol": "test-key" }, "missing"],
  ["the key without its scheme", { Authorization: "test-key" }, "scheme"],
  ["the key in another scheme", { Authorization: "Basic test-key" }, "scheme"],
  ["an empty key", { Authorization: "Bearer " }, "malformed"],
  ["the key in the clear as a subprotocol", { "Sec-WebSocket-Protocol": "bearer.test-key" }, "malformed"],
  ["what is no base64 as a subprotocol", { "Sec-WebSocket-Protocol": "bearer.%%%" }, "malformed"],
  ["an empty key as a subprotocol", { "Sec-WebSocket-Protocol": "bearer." }, "malformed"],
  ["a wrong key", { Authorization: "Bearer wrong" }, "wrong"],
  ["the key and more", { Authorization: "Bearer test-keys" }, "wrong"],
  ["a part of the key", { Authorization: "Bearer test-ke" }, "wrong"],
  ["the key in another case", { Authorization: "Bearer TEST-KEY" }, "wrong"],
  ["a wrong key as a subprotocol", { "Sec-WebSocket-Protocol": bearer("wrong") }, "wrong"],
  ["what only looks like a token", { Authorization: "Bearer a.b.c" }, "malformed"],
];

/** The challenge of RFC 6750: who brings nothing to check is told no error code. */
function challengeOf(reason: string, message: string): string {
  const realm = 'Bearer realm="durable-stream"';
  const isKnown = reason !== "missing" && reason !== "scheme";
  return isKnown ? `${realm}, error="invalid_token", error_description="${message}"` : realm;
}

/** The ways to a Durable Object. */
function spyOnNamespaces() {
  const prototype = Object.getPrototypeOf(env.STREAM) as DurableObjectNamespace;
  return [vi.spyOn(prototype, "getByName"), vi.spyOn(prototype, "get")] as const;
}

describe("before anybody was let in", () => {
  let ways: ReturnType<typeof spyOnNamespaces>;
  beforeAll(() => {
    ways = spyOnNamespaces();
  });
  afterAll(() => {
    vi.restoreAllMocks();
  });

  describe.each(ENDPOINTS)("%s", (_endpoint, path, init) => {
    it.each(REFUSED)("refuses %s, and says what was wrong", async (_what, headers, reason) => {
      const response = await request(path, {
        ...init,
        headers: { ...Object.fromEntries(new Headers(init.headers)), ...headers },
      });

      const body: { error: { message: string } } = await response.json();
      expect(response.status).toBe(401);
      expect(response.webSocket).toBeNull();
      expect(body).toMatchObject({ id: null, error: { code: ErrorCode.Unauthenticated, data: { reason } } });
      expect(response.headers.get("WWW-Authenticate")).toBe(challengeOf(reason, body.error.message));
      // What a quoted string of a header may have.
      expect(body.error.message).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,123}$/);
    });

    it("takes no key from the URL", async () => {
      for (const query of ["key=test-key", "api_key=test-key", "token=test-key", "authorization=Bearer%20test-key"]) {
        const response = await request(`${path}?${query}`, { ...init, headers: new Headers(init.headers) });

        expect(response.status).toBe(401);
      }
    });

    it.each([
      ["an empty API_KEY", ""],
      ["no API_KEY", undefined],
    ])("answers 503 with %s, whatever the caller has", async (_what, apiKey) => {
      // Without the secret the binding does not exist, though the type says it does.
      const unconfigured = { ...env, API_KEY: apiKey as string, TOKEN_KEYS: "" };
      for (const authorization of ["Bearer test-key", "Bearer ", "Bearer undefined"]) {
        const headers = new Headers(init.headers);
        headers.set("Authorization", authorization);

        const response = await callWorker(new Request(`http://stream.test${path}`, { ...init, headers }), unconfigured);

        expect(response.status).toBe(503);
        expect(await response.json()).toMatchObject({ error: { code: ErrorCode.Unavailable } });
      }
    });
  });

  it("says that it is up though it is not configured", async () => {
    const response = await callWorker(new Request("http://stream.test/health"), {
      ...env,
      API_KEY: "",
      TOKEN_KEYS: "",
    });

    expect(response.status).toBe(200);
  });

  it.each([
    ["no key", SUBPROTOCOL, /^no credentials: /],
    ["a wrong key", `${SUBPROTOCOL}, ${bearer("wrong")}`, /^the key is not the server's$/],
    ["a key in the clear", `${SUBPROTOCOL}, bearer.test-key`, /does not hold a key or token in base64url$/],
  ])("closes with 4401 and why where the status can not be seen: with %s", async (_what, protocols, reason) => {
    const headers = { ...WEBSOCKET, "Sec-WebSocket-Protocol": protocols };
    const response = await request("/rpc", { headers });

    expect(response.status).toBe(101);
    expect(response.headers.get("Sec-WebSocket-Protocol")).toBe(SUBPROTOCOL);
    expect(await closeOf(response)).toMatchObject({ code: 4401, reason: expect.stringMatching(reason) });
  });

  it("closes with 4503 where the status can not be seen and no API_KEY is configured", async () => {
    const headers = { ...WEBSOCKET, "Sec-WebSocket-Protocol": `${SUBPROTOCOL}, ${bearer("test-key")}` };
    const handshake = new Request("http://stream.test/rpc", { headers });

    const response = await callWorker(handshake, { ...env, API_KEY: "", TOKEN_KEYS: "" });

    expect(await closeOf(response)).toMatchObject({ code: 4503, reason: "no API_KEY is configured" });
  });

  // The last test of the block: all before it were refused.
  it("touches no Durable Object", () => {
    expect(ways.map(({ mock }) => mock.calls.length)).toEqual([0, 0]);
  });
});

describe("with two keys while clients change", () => {
  const changing = { ...env, API_KEY_PREVIOUS: "old-key" };

  it.each([
    ["the new one", "test-key", changing, 404],
    ["the old one", "old-key", changing, 404],
    ["any other", "older-key", changing, 401],
    ["an empty one", "", changing, 401],
    ["an empty one where there is no old one", "", { ...env, API_KEY_PREVIOUS: "" }, 401],
    ["the old one where there is no new one", "old-key", { ...changing, API_KEY: "" }, 401],
  ])("answers to %s", async (_what, key, settings, status) => {
    const headers = { Authorization: `Bearer ${key}` };

    const response = await callWorker(new Request("http://stream.test/nowhere", { headers }), settings);

    expect(response.status).toBe(status);
  });

  it("has a key that looks like a token", async () => {
    const headers = { Authorization: "Bearer a.b.c" };

    const response = await callWorker(new Request("http://stream.test/nowhere", { headers }), {
      ...env,
      API_KEY: "a.b.c",
    });

    expect(response.status).toBe(404);
  });
});

it("works with keys of tokens alone", async () => {
  const client = await connect();
  const { token } = await client.call("issueToken", { rights: [] });
  const settings = { ...env, API_KEY: "" };

  const [missing, wrong, taken] = await Promise.all(
    [{}, { Authorization: "Bearer test-key" }, { Authorization: `Bearer ${token}` }].map((headers) =>
      callWorker(new Request("http://stream.test/nowhere", { headers }), settings),
    ),
  );

  expect([missing?.status, wrong?.status, taken?.status]).toEqual([401, 401, 404]);
});

describe("with the key", () => {
  it("reaches a gateway and a stream", async () => {
    const [getByName, get] = spyOnNamespaces();
    onTestFinished(() => void vi.restoreAllMocks());
    const client = await connect();
    await client.call("publish", { stream: "reached", data: 1 });

    expect(getByName.mock.calls).toEqual([[expect.stringMatching(/-[01]$/)], ["reached"]]);
    expect(get).not.toHaveBeenCalled();
  });

  it.each(["Bearer test-key", "bearer test-key", "Bearer   test-key"])("lets in %s", async (authorization) => {
    const answer = await request("/rpc", { method: "POST", body: CALL, headers: { Authorization: authorization } });
    const client = await connect("/rpc", { Authorization: authorization });

    expect(answer.status).toBe(200);
    expect((await client.call("getServerInfo", {})).name).toBe("durable-stream");
  });

  it.each([
    [`${SUBPROTOCOL}, ${bearer("test-key")}`, SUBPROTOCOL],
    [`${bearer("test-key")},${SUBPROTOCOL}`, SUBPROTOCOL],
    [`other, ${bearer("test-key")}, ${SUBPROTOCOL}`, SUBPROTOCOL],
    [bearer("test-key"), null],
  ])("lets in a client that offers %s, and echoes no key", async (protocols, echoed) => {
    const response = await request("/rpc", { headers: { ...WEBSOCKET, "Sec-WebSocket-Protocol": protocols } });

    expect(response.status).toBe(101);
    expect(response.headers.get("Sec-WebSocket-Protocol")).toBe(echoed);
    response.webSocket?.accept();
    response.webSocket?.close(1000);
  });

  it("takes a key of any characters as a subprotocol", async () => {
    const key = "ключ+/=?\u{1f511}";
    const headers = { ...WEBSOCKET, "Sec-WebSocket-Protocol": `${SUBPROTOCOL}, ${bearer(key)}` };

    const response = await callWorker(new Request("http://stream.test/rpc", { headers }), { ...env, API_KEY: key });

    expect(response.status).toBe(101);
    response.webSocket?.accept();
    response.webSocket?.close(1000);
  });
});

/** How a socket that was accepted is closed. */
function closeOf({ webSocket: ws }: Response): Promise<CloseEvent> {
  const closed = new Promise<CloseEvent>((resolve) => ws?.addEventListener("close", resolve));
  ws?.accept();
  return closed;
}

/** Calls the Worker itself, with bindings of the test's choice. */
function callWorker(incoming: Request, bindings: Env): Promise<Response> {
  // The runtime's own requests have properties that one made by hand has not; nothing here reads them.
  return worker.fetch(incoming as Parameters<typeof worker.fetch>[0], bindings, createExecutionContext());
}
