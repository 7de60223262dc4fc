import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { describe, expect } from "vitest";

import { commandLines, makeCheckout, NpmScript } from "./server/checkout.ts";
import { freePort } from "./server/free-port.ts";
import { Client } from "./server/client.ts";
import { test } from "./server/fixtures.ts";
import { RawSocket } from "./server/raw-socket.ts";

describe("npm run dev", () => {
  test("serves with the flags given to it, and Ctrl-C leaves nothing behind", async ({ data: checkout }) => {
    await makeCheckout(checkout);
    const [url, port] = await address();
    const folder = join(checkout, "kept-here");
    await using dev = new NpmScript(checkout, "dev", ["--port", port, "--persist-to", folder, "--var", "API_KEY:x"]);

    await dev.untilOutput(new RegExp(`Durable Stream on ${url}, key: .*--var.*, data in ${folder}\\. To empty it: `));

    const health = await fetch(`${url}/health`);
    expect([health.status, await health.json()]).toEqual([200, { status: "ok" }]);
    expect(await post(url, "x")).toMatchObject({ status: 200, body: { result: { stream: "orders", sequence: 1 } } });
    expect(await post(url, "y")).toMatchObject({ status: 401, body: { error: { code: -32_001 } } });
    const client = await Client.connect({ url, apiKey: "x" }, "/stream/orders");
    await client.call("subscribe", { stream: "orders" });
    expect(await client.untilMessages(1)).toEqual([1]);
    await expect(Client.connect({ url, apiKey: "y" })).rejects.toThrow("401");
    expect(await readdir(folder)).not.toEqual([]);
    await expect(client.call("getConsumer", { stream: "orders", consumer: "packers" })).rejects.toThrow();
    await dev.untilOutput(/{.*"a call failed","method":"getConsumer","stream":"orders","error":"NotFound: .*}/);
    // What SECURITY.md says of wrangler's own Worker before this one.
    const deflate = { Authorization: "Bearer x", "Sec-WebSocket-Extensions": "permessage-deflate" };
    using socket = await RawSocket.open({ url, apiKey: "x" }, deflate);
    expect(socket.head).toMatch(/sec-websocket-extensions: permessage-deflate/i);

    dev.interrupt();
    await dev.untilExited();
    await dev.untilGroupIsGone();
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  test("answers 503 to all but /health and the console without a key, and ends with npm", async ({
    data: checkout,
  }) => {
    await makeCheckout(checkout);
    const [url, port] = await address();
    await using dev = new NpmScript(checkout, "dev", ["--port", port, "--var", "API_KEY:", "--var", "TOKEN_KEYS:"]);

    await dev.untilOutput(/Durable Stream on/);

    const refused = await Promise.all([
      post(url, ""),
      post(url, "x"),
      post(url, await keyIn(checkout)),
      ...["/rpc", "/stream/orders", "/r2", "/r2/some/key"].map((path) => get(`${url}${path}`)),
    ]);
    expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 503));
    await expect(Client.connect({ url, apiKey: "x" })).rejects.toThrow("503");
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect(await (await fetch(url)).json()).toMatchObject({ name: "durable-stream", rpc: "/rpc" });
    const page = await (await fetch(url, { headers: { Accept: "text/html" } })).text();
    const [, script = ""] = /"(\/assets\/main-\w+\.js)"/.exec(page) ?? [];
    const asset = await fetch(url + script);
    expect(asset.status).toBe(200);
    expect(asset.headers.get("Cache-Control")).toContain("immutable");

    dev.terminate();
    await dev.untilExited();
    await dev.untilGroupIsGone();
  });

  test("writes a key to .env the first time, serves with it, and leaves it alone then", async ({ data: checkout }) => {
    await makeCheckout(checkout);
    const env = join(checkout, ".env");
    const [url, port] = await address();
    await using first = new NpmScript(checkout, "dev", ["--port", port]);
    await first.untilOutput(new RegExp(`Durable Stream on ${url}, key: API_KEY in .env, data in ${checkout}/`));
    const key = await keyIn(checkout);
    const written = await readFile(env, "utf8");

    expect(first.output).toContain("Wrote .env");
    expect(first.output).not.toContain(key);
    expect(key.length).toBeGreaterThanOrEqual(32);
    expect((await stat(env)).mode & 0o077).toBe(0);
    expect(await post(url, key)).toMatchObject({ status: 200, body: { result: { sequence: 1 } } });
    first.interrupt();
    await first.untilGroupIsGone();

    await using second = new NpmScript(checkout, "dev", ["--port", port]);
    await second.untilOutput(/Durable Stream on/);
    expect(await readFile(env, "utf8")).toBe(written);
    expect(second.output).not.toContain("Wrote .env");
    expect(await post(url, key)).toMatchObject({ status: 200, body: { result: { sequence: 2 } } });
    second.interrupt();
    await second.untilGroupIsGone();
  });

  test("takes the secrets of .env that it can do without too, and shows none of them", async ({ data: checkout }) => {
    await makeCheckout(checkout);
    const [url, port] = await address();
    const tokenKeys = JSON.stringify({ keys: [{ kty: "oct", k: "c2VjcmV0".repeat(6), kid: "k", alg: "HS256" }] });
    const lines = [
      "API_KEY=of-now",
      "API_KEY_PREVIOUS=of-before",
      `TOKEN_KEYS='${tokenKeys}'`,
      "MAX_STREAM_BYTES=4096",
    ];
    await writeFile(join(checkout, ".env"), lines.join("\n"));
    await using dev = new NpmScript(checkout, "dev", ["--port", port]);
    await dev.untilOutput(/Durable Stream on/);

    expect(await post(url, "of-before")).toMatchObject({ status: 200 });
    const rights = { rights: [{ streams: ["orders"], actions: ["read"] }], expiresInMs: 60_000 };
    expect(await post(url, "of-now", "issueToken", rights)).toMatchObject({
      body: { result: { token: expect.any(String) } },
    });
    const shown = [dev.output, ...(await commandLines(dev.processGroup))].join("\n");
    expect(shown).toContain("wrangler");
    expect(shown).not.toMatch(/of-now|of-before|c2VjcmV0/);

    dev.interrupt();
    await dev.untilGroupIsGone();
  });
});

async function address(): Promise<[url: string, port: string]> {
  const port = await freePort();
  return [`http://127.0.0.1:${port}`, String(port)];
}

async function keyIn(checkout: string): Promise<string> {
  const text = await readFile(join(checkout, ".env"), "utf8");
  return /^API_KEY=(.*)$/m.exec(text)?.[1] ?? "";
}

async function post(
  url: string,
  key: string,
  method = "publish",
  params: object = { stream: "orders", data: "hello" },
): Promise<{ status: number; body: unknown }> {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const response = await fetch(`${url}/rpc`, { method: "POST", headers, body });
  return { status: response.status, body: await response.json() };
}

async function get(url: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url);
  return { status: response.status, body: await response.json() };
}
