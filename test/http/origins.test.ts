import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import worker from "../../src/worker.ts";

const APP = "https://app.example";

/** What the Worker answers to a page of an origin, with these origins configured. */
async function answerTo(origin: string, { allowed, ...init }: RequestInit & { allowed: string | undefined }) {
  const headers = new Headers(init.headers);
  headers.set("Origin", origin);
  const incoming = new Request("http://stream.test/rpc", { ...init, headers });
  // Of a server that was configured before there was such a var, the binding does not exist.
  const bindings = { ...env, ALLOWED_ORIGINS: allowed as string };
  // The runtime's own requests have properties that one made by hand has not; nothing here reads them.
  return worker.fetch(incoming as Parameters<typeof worker.fetch>[0], bindings, createExecutionContext());
}

const PREFLIGHT = { method: "OPTIONS", headers: { "Access-Control-Request-Method": "POST" } };

describe("ALLOWED_ORIGINS", () => {
  it.each([
    [APP],
    [`  ${APP}  `],
    [`${APP},${APP}`],
    [`http://localhost:5173,${APP}`],
    [`http://[::1]:5173 ,\n\t${APP},`],
    [`https://xn--bcher-kva.example ${APP}`],
    [`capacitor://localhost ${APP}`],
    [`chrome-extension://abcdefghijklmnopabcdefghijklmnop ${APP}`],
  ])("lets in each origin that it names: %j", async (allowed) => {
    expect((await answerTo(APP, { ...PREFLIGHT, allowed })).status).toBe(204);
  });

  it.each([
    ["*"],
    ["null"],
    ["app.example"],
    ["//app.example"],
    ["https://"],
    ["file://"],
    ["https://app.example/"],
    ["https://app.example/path"],
    ["https://app.example?"],
    ["https://app.example#"],
    ["https://app.example:443"],
    ["https://app.example:99999"],
    ["https://APP.example"],
    ["HTTPS://app.example"],
    ["https://user@app.example"],
    ["https://*.example"],
    ["https://bücher.example"],
    ["https:app.example"],
    ["'https://app.example'"],
    ["https://app.example;https://other.example"],
  ])("lets in nobody where an entry is no origin: %j", async (entry) => {
    const log = vi.spyOn(console, "error").mockReturnValue();
    const answers = [
      await answerTo(APP, { ...PREFLIGHT, allowed: entry }),
      await answerTo(APP, { ...PREFLIGHT, allowed: `${APP} ${entry}` }),
      await answerTo(entry, { ...PREFLIGHT, allowed: entry }),
    ];
    log.mockRestore();

    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403]);
  });

  it.each([[undefined], [""], [" , "], ["https://app.example."], ["http://app.example"]])(
    "lets in no origin that it does not name: %j",
    async (allowed) => {
      expect((await answerTo(APP, { ...PREFLIGHT, allowed })).status).toBe(403);
    },
  );

  it("is read once, and a mistake told once", async () => {
    const log = vi.spyOn(console, "error").mockReturnValue();
    for (let requests = 0; requests < 3; requests += 1) {
      await answerTo(APP, { ...PREFLIGHT, allowed: `${APP} https://told-once.example/` });
    }

    expect(log.mock.calls).toEqual([[expect.stringContaining("https://told-once.example/")]]);
    log.mockRestore();
  });
});

describe("before a Durable Object is called", () => {
  const ways: { mock: { calls: unknown[] } }[] = [];
  beforeAll(() => {
    const prototype = Object.getPrototypeOf(env.STREAM) as DurableObjectNamespace;
    ways.push(vi.spyOn(prototype, "getByName"), vi.spyOn(prototype, "get"));
  });
  afterAll(() => {
    vi.restoreAllMocks();
  });

  const key = { Authorization: `Bearer ${env.API_KEY}` };
  const body = '{"jsonrpc":"2.0","id":1,"method":"publish","params":{"stream":"a","data":1}}';

  it.each([
    ["answers a preflight", APP, 204, PREFLIGHT],
    ["refuses a call of a page that is not allowed", "null", 403, { method: "POST", body, headers: key }],
    ["refuses its socket", "null", 403, { headers: { ...key, Upgrade: "websocket" } }],
  ])("%s", async (_what, origin, status, init) => {
    expect((await answerTo(origin, { ...init, allowed: APP })).status).toBe(status);
    expect(ways.map(({ mock }) => mock.calls.length)).toEqual([0, 0]);
  });

  it("refuses the socket of one that offers the subprotocol by a code", async () => {
    const headers = { ...key, Upgrade: "websocket", "Sec-WebSocket-Protocol": "durable-stream.v1" };

    const { status, webSocket: ws } = await answerTo("https://evil.example", { headers, allowed: APP });

    const closed = new Promise<CloseEvent>((resolve) => ws?.addEventListener("close", resolve));
    ws?.accept();
    expect(status).toBe(101);
    expect(await closed).toMatchObject({ code: 4403, reason: "the origin of this page is not allowed" });
    expect(ways.map(({ mock }) => mock.calls.length)).toEqual([0, 0]);
  });
});
