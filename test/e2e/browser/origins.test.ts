/** What a browser is told of a page's origin: each row is a request as a browser, or somebody who is none, may send it. */
import { once } from "node:events";

import { describe, expect } from "vitest";
import { WebSocket } from "ws";

import { ErrorCode } from "../../../rpc/index.ts";

import { sharingServer } from "../server/fixtures.ts";
import type { Server } from "../server/server.ts";

const APP = "https://app.example";
const LOCAL = "http://localhost:5173";

const listed = sharingServer({ vars: { ALLOWED_ORIGINS: `${APP}, ${LOCAL}` } });
const unlisted = sharingServer();
const mistaken = sharingServer({ vars: { ALLOWED_ORIGINS: `${APP} ${LOCAL}/` } });
const keyless = sharingServer({ apiKey: "", vars: { ALLOWED_ORIGINS: APP } });

type Ask = { origin?: string; verb?: string; path: string; headers?: Record<string, string>; body?: string };

const PUBLISH = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "publish", params: { stream: "s", data: 1 } });

/** Unlike a browser's, this `fetch` sends any header that it is given. It has the key unless that is left out. */
function ask(server: Server, { origin, verb = "GET", path, headers = {}, body }: Ask): Promise<Response> {
  const sent = new Headers({ Authorization: `Bearer ${server.apiKey}`, ...headers });
  if (origin !== undefined) {
    sent.set("Origin", origin);
  }
  if (sent.get("Authorization") === "none") {
    sent.delete("Authorization");
  }
  return fetch(server.url + path, { method: verb, headers: sent, ...(body === undefined ? {} : { body }) });
}

/** A preflight as a browser sends it. */
function preflight(path: string, verb: string, asked = ""): Ask {
  const headers = { Authorization: "none", "Access-Control-Request-Method": verb };
  return {
    verb: "OPTIONS",
    path,
    headers: asked === "" ? headers : { ...headers, "Access-Control-Request-Headers": asked },
  };
}

/** The headers that CORS is made of, by their names without the prefix, and Vary. */
function corsOf({ headers }: Response): Record<string, string> {
  const cors = [...headers].filter(([name]) => name.startsWith("access-control-"));
  const named = cors.map(([name, value]) => [name.slice("access-control-".length), value]);
  return { ...Object.fromEntries(named), ...(headers.has("Vary") ? { vary: headers.get("Vary") } : {}) };
}

const OBJECT_HEADERS =
  "Authorization, Cache-Control, Content-Digest, Content-Disposition, Content-Encoding, Content-Language, Content-Type, " +
  "Expires, If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Range, Repr-Digest";
const OBJECT_VERBS = "GET, HEAD, PUT, POST, DELETE";
const REFUSALS = "Retry-After, WWW-Authenticate";
const OBJECT_EXPOSED =
  "Accept-Ranges, Content-Disposition, Content-Encoding, Content-Range, ETag, Repr-Digest, " + REFUSALS;

describe("an origin that is configured", () => {
  const test = listed;
  const preflights: [ask: Ask, verbs: string, headers?: string][] = [
    [preflight("/rpc", "POST", "authorization,content-type"), "POST", "Authorization, Content-Type"],
    [preflight("/rpc", "DELETE"), "POST", "Authorization, Content-Type"],
    [preflight("/r2", "GET", "authorization"), "GET", "Authorization"],
    [preflight("/r2?prefix=a", "GET", "authorization"), "GET", "Authorization"],
    [preflight("/r2/a/b", "PUT", "authorization"), OBJECT_VERBS, OBJECT_HEADERS],
    [
      preflight("/r2/a", "PUT", "x-object-meta-title, x-other,x-object-meta-,x-object-meta-a_1"),
      OBJECT_VERBS,
      `${OBJECT_HEADERS}, x-object-meta-title, x-object-meta-a_1`,
    ],
    [preflight("/health", "GET"), "GET, HEAD"],
  ];

  test.for([APP, LOCAL].flatMap((origin) => preflights.map((row) => [origin, ...row] as const)))(
    "%s is answered its preflight, without a key: %o",
    async ([origin, asked, verbs, headers], { server }) => {
      const response = await ask(server, { ...asked, origin });

      expect(response.status).toBe(204);
      expect(corsOf(response)).toEqual({
        "allow-origin": origin,
        "allow-methods": verbs,
        ...(headers === undefined ? {} : { "allow-headers": headers }),
        "max-age": "7200",
        vary: "Origin",
      });
    },
  );

  const answers: [what: string, status: number, ask: Ask, exposed?: string][] = [
    ["a call", 200, { verb: "POST", path: "/rpc", body: PUBLISH }, REFUSALS],
    ["a notification", 204, { verb: "POST", path: "/rpc", body: PUBLISH.replace('"id":1,', "") }, REFUSALS],
    ["no key", 401, { verb: "POST", path: "/rpc", headers: { Authorization: "none" }, body: PUBLISH }, REFUSALS],
    ["a wrong verb", 405, { verb: "DELETE", path: "/rpc" }, REFUSALS],
    ["no handshake", 426, { path: "/rpc" }, REFUSALS],
    ["a put", 201, { verb: "PUT", path: "/r2/a", headers: { "X-Object-Meta-Title": "T" }, body: "hello" }],
    ["a get", 200, { path: "/r2/a" }, `${OBJECT_EXPOSED}, x-object-meta-title`],
    ["a head", 200, { verb: "HEAD", path: "/r2/a" }, `${OBJECT_EXPOSED}, x-object-meta-title`],
    ["a range", 206, { path: "/r2/a", headers: { Range: "bytes=1-2" } }, `${OBJECT_EXPOSED}, x-object-meta-title`],
    ["no such range", 416, { path: "/r2/a", headers: { Range: "bytes=9-" } }],
    ["no news", 304, { path: "/r2/a", headers: { "If-None-Match": "*" } }, `${OBJECT_EXPOSED}, x-object-meta-title`],
    ["another version", 412, { path: "/r2/a", headers: { "If-Match": '"b"' } }],
    ["no object", 404, { path: "/r2/none" }],
    ["a bad key", 400, { path: "/r2/a//b" }],
    ["no key for objects", 401, { path: "/r2/a", headers: { Authorization: "none" } }],
    ["a signature that is none", 403, { path: "/r2/a?expires=1&signature=x" }],
    ["a list", 200, { path: "/r2" }, REFUSALS],
    ["health", 200, { path: "/health" }, ""],
  ];

  test.for(answers)("may read every answer, also %s: %i", async ([, status, asked, exposed], { server }) => {
    const response = await ask(server, { ...asked, origin: LOCAL });

    expect(response.status).toBe(status);
    expect(corsOf(response)).toEqual({
      "allow-origin": LOCAL,
      ...(exposed === "" ? {} : { "expose-headers": exposed ?? OBJECT_EXPOSED }),
      vary: "Origin",
    });
  });

  test("is one more of what an answer varies by", async ({ server }) => {
    const headers = { "Content-Encoding": "gzip" };
    await ask(server, { verb: "PUT", path: "/r2/encoded", headers, body: "none" });

    const response = await ask(server, { path: "/r2/encoded", verb: "HEAD", origin: APP });

    expect(response.headers.get("Vary")).toBe("Accept-Encoding, Origin");
  });
});

describe("an origin that is configured of a server without a key", () => {
  const test = keyless;

  test("may read that the server has no key", async ({ server }) => {
    for (const asked of [{ verb: "POST", path: "/rpc", body: PUBLISH }, { path: "/r2/a" }]) {
      const response = await ask(server, { ...asked, origin: APP });

      expect([response.status, response.headers.get("Access-Control-Allow-Origin")]).toEqual([503, APP]);
    }
  });
});

const FOREIGN = [
  "null",
  "*",
  "https://evil.example",
  "http://app.example",
  "https://app.example:8443",
  "https://app.example:443",
  "https://app.example/",
  "https://app.example.evil.example",
  "https://evil-app.example",
  "https://sub.app.example",
  "https://APP.example",
  "https://app.example, https://app.example",
  "https://app.example http://localhost:5173",
  "http://localhost",
  "file://",
];

const FORBIDDEN: [what: string, ask: Ask][] = [
  ["a preflight", preflight("/rpc", "POST", "authorization")],
  ["a preflight of an object", preflight("/r2/forbidden", "PUT", "authorization")],
  ["a call that needs no preflight", { verb: "POST", path: "/rpc", headers: { "Content-Type": "text/plain" } }],
  ["a call", { verb: "POST", path: "/rpc", headers: { "Content-Type": "application/json" } }],
  ["a put", { verb: "PUT", path: "/r2/forbidden", body: "x" }],
  ["a get", { path: "/r2/forbidden" }],
  ["a list", { path: "/r2" }],
  ["health", { path: "/health" }],
];

describe("an origin that is not", () => {
  const test = listed;
  const body = PUBLISH.replace('"s"', '"forbidden"');

  test.for(FOREIGN.flatMap((origin) => FORBIDDEN.map(([what, asked]) => [origin, what, asked] as const)))(
    'is refused: "%s", %s',
    async ([origin, , asked], { server }) => {
      const response = await ask(server, { ...asked, ...(asked.path === "/rpc" ? { body } : {}), origin });

      expect(response.status).toBe(403);
      expect(corsOf(response)).toEqual({ vary: "Origin" });
      expect(await response.json()).toMatchObject({ id: null, error: { code: ErrorCode.Forbidden } });
    },
  );

  // After all above.
  test("has done nothing", async ({ server, connect }) => {
    const client = await connect();
    expect((await client.callError("getStreamInfo", { stream: "forbidden" })).code).toBe(ErrorCode.NotFound);
    expect((await ask(server, { path: "/r2/forbidden" })).status).toBe(404);
  });
});

describe("where no origin is configured", () => {
  const test = unlisted;

  test.for([APP, "null"])('every other one than its own is refused: "%s"', async (origin, { server }) => {
    for (const [, asked] of FORBIDDEN) {
      const response = await ask(server, { ...asked, origin });

      expect(response.status).toBe(403);
      expect(corsOf(response)).toEqual({ vary: "Origin" });
    }
  });
});

describe("where an entry is no origin", () => {
  const test = mistaken;

  test("every other one than its own is refused, and one line of the log says why", async ({ server }) => {
    for (const origin of [APP, LOCAL, `${LOCAL}/`]) {
      const response = await ask(server, { path: "/health", origin });
      expect([origin, response.status]).toEqual([origin, 403]);
    }

    const told = () => server.log.split("\n").filter((line) => line.includes("ALLOWED_ORIGINS"));
    await expect.poll(told).toEqual([expect.stringContaining(`${LOCAL}/`)]);
  });
});

describe("the server's own origin", () => {
  const own: Ask[] = [{ verb: "POST", path: "/rpc", body: PUBLISH }, { path: "/r2" }, { path: "/health" }];

  for (const [what, test] of [
    ["with others", listed],
    ["alone", unlisted],
    ["beside a mistake", mistaken],
  ] as const) {
    test(`is allowed ${what}`, async ({ server }) => {
      for (const asked of own) {
        const response = await ask(server, { ...asked, origin: server.url });

        expect(response.status).toBe(200);
        expect(corsOf(response)).toMatchObject({ "allow-origin": server.url, vary: "Origin" });
      }
      expect(await handshake(server, { origin: server.url })).toBe("open");
    });
  }
});

const NO_ORIGIN: [status: number, ask: Ask][] = [
  [200, { verb: "POST", path: "/rpc", body: PUBLISH }],
  [401, { verb: "POST", path: "/rpc", headers: { Authorization: "none" } }],
  [405, { verb: "OPTIONS", path: "/rpc", headers: { "Access-Control-Request-Method": "POST" } }],
  [200, { path: "/r2" }],
  [404, { path: "/r2/none" }],
  [200, { path: "/health" }],
  [405, { verb: "POST", path: "/health" }],
];

describe("a request without an origin", () => {
  const test = listed;

  test.for(NO_ORIGIN)("is answered as ever, and told to vary: %i %o", async ([status, asked], { server }) => {
    const response = await ask(server, asked);

    expect([response.status, corsOf(response)]).toEqual([status, { vary: "Origin" }]);
  });
});

describe("a request without an origin, where none is configured", () => {
  const test = unlisted;

  test.for(NO_ORIGIN)("is answered as ever: %i %o", async ([status, asked], { server }) => {
    const response = await ask(server, asked);

    expect([response.status, corsOf(response)]).toEqual([status, {}]);
  });
});

/** What becomes of a handshake: `open`, the code that it is closed with, or the status. */
async function handshake(
  server: Server,
  {
    origin,
    path = "/rpc",
    protocols = ["durable-stream.v1"],
  }: { origin?: string; path?: string; protocols?: string[] },
): Promise<string | number> {
  const ws = new WebSocket(server.url.replace("http", "ws") + path, protocols, {
    headers: { Authorization: `Bearer ${server.apiKey}` },
    ...(origin === undefined ? {} : { origin }),
  });
  const answer = Promise.withResolvers<string | number>();
  ws.once("unexpected-response", (_request, { statusCode = 0 }) => answer.resolve(statusCode));
  ws.once("error", () => undefined);
  ws.once("close", (code) => answer.resolve(code));
  // A socket that is refused by a code is closed before it answers anything.
  ws.once("open", () => ws.send("ping"));
  ws.once("message", () => answer.resolve("open"));
  try {
    return await answer.promise;
  } finally {
    ws.terminate();
  }
}

describe("a handshake", () => {
  const test = listed;

  test.for([
    ["a configured origin", APP, "/rpc", ["durable-stream.v1"], "open"],
    ["a configured origin, with no subprotocol", LOCAL, "/rpc", [], "open"],
    ["a configured origin, to a stream", LOCAL, "/stream/s", ["durable-stream.v1"], "open"],
    ["no origin", undefined, "/rpc", ["durable-stream.v1"], "open"],
    ["another origin", "https://evil.example", "/rpc", ["durable-stream.v1"], 4403],
    ["another origin, to a stream", "https://evil.example", "/stream/s", ["durable-stream.v1"], 4403],
    ["another origin, with no subprotocol", "https://evil.example", "/rpc", [], 403],
    ["an opaque origin", "null", "/rpc", ["durable-stream.v1"], 4403],
    ["an opaque origin, with no subprotocol", "null", "/stream/s", [], 403],
  ] as const)("of %s", async ([, origin, path, protocols, expected], { server }) => {
    const options = { path, protocols: [...protocols] };

    expect(await handshake(server, origin === undefined ? options : { ...options, origin })).toBe(expected);
  });

  test("of another origin is told why", async ({ server }) => {
    const ws = new WebSocket(server.url.replace("http", "ws") + "/rpc", ["durable-stream.v1"], { origin: "null" });

    const [code, reason] = (await once(ws, "close")) as [number, Buffer];

    expect([code, reason.toString()]).toEqual([4403, "the origin of this page is not allowed"]);
  });
});
