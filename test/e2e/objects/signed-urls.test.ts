/** Signed URLs: what one permits, to whom it makes no difference how it is asked for, and what is refused. */
import { describe, expect, inject } from "vitest";

import { DurableStream } from "../../../rpc/client.ts";
import { ErrorCode } from "../../../rpc/index.ts";

import { sharingServer, test as alone } from "../server/fixtures.ts";
import { Server } from "../server/server.ts";

const OBJECT = "0123456789";
const KEY = "signed/a b/ü?&#%2F+.txt";
const DAY_MS = 86_400_000;

const shared = sharingServer();

async function put({ url, apiKey }: Server, key: string, headers: Record<string, string> = {}, body = OBJECT) {
  const path = key.split("/").map(encodeURIComponent).join("/");
  const sent = { Authorization: `Bearer ${apiKey}`, ...headers };
  const response = await fetch(`${url}/r2/${path}`, { method: "PUT", headers: sent, body });
  expect([200, 201]).toContain(response.status);
}

/** The path and query of a URL, asked for over HTTP. */
async function signed({ url, apiKey }: Server, key: string, expiresInMs?: number): Promise<string> {
  const params = expiresInMs === undefined ? { key } : { key, expiresInMs };
  const response = await fetch(`${url}/rpc`, {
    method: "POST",
    headers: { Authorization: `Bearer ${apiKey}` },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "createObjectUrl", params }),
  });
  const { result } = (await response.json()) as { result: { url: string } };
  return result.url;
}

async function failure(response: Response): Promise<[status: number, code: number | undefined]> {
  const { error } = JSON.parse(await response.text()) as { error?: { code: number } };
  return [response.status, error?.code];
}

describe("a signed URL", () => {
  const test = shared;

  test("is read by anybody: whole, in part, by its head, and when it has changed", async ({ server }) => {
    await put(server, KEY, { "Content-Type": "text/plain", "X-Object-Meta-Title": "T", "Content-Language": "de" });
    const url = server.url + (await signed(server, KEY));

    const whole = await fetch(url);
    const etag = whole.headers.get("ETag") ?? "";
    const head = await fetch(url, { method: "HEAD" });
    const part = await fetch(url, { headers: { Range: "bytes=2-4", "If-Range": etag } });
    const same = await fetch(url, { headers: { "If-None-Match": etag } });
    const other = await fetch(url, { headers: { "If-Match": '"other"' } });
    const beyond = await fetch(url, { headers: { Range: "bytes=10-" } });

    expect([whole.status, await whole.text()]).toEqual([200, OBJECT]);
    expect([head.status, head.headers.get("Content-Length")]).toEqual([200, "10"]);
    expect([part.status, await part.text()]).toEqual([206, "234"]);
    expect(part.headers.get("Content-Range")).toBe("bytes 2-4/10");
    expect([same.status, other.status, beyond.status]).toEqual([304, 412, 416]);
    for (const { headers } of [whole, head, part]) {
      expect(Object.fromEntries(headers)).toMatchObject({
        etag,
        "content-type": "text/plain",
        "content-language": "de",
        "x-object-meta-title": "T",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "cross-origin",
      });
    }
    expect([other, beyond].map(({ headers }) => headers.get("Referrer-Policy"))).toEqual([
      "no-referrer",
      "no-referrer",
    ]);
  });

  test("serves a page as a download, sandboxed", async ({ server }) => {
    const type = { "Content-Type": "text/html", "Content-Disposition": 'inline; filename="page.html"' };
    await put(server, "page", type, "<script>alert(1)</script>");

    const { headers } = await fetch(server.url + (await signed(server, "page")));

    expect(headers.get("Content-Disposition")).toBe('attachment; filename="page.html"');
    expect(headers.get("Content-Security-Policy")).toBe("default-src 'none'; sandbox");
  });

  test("is the same by socket, over HTTP and by the client, which makes it whole", async ({ server, connect }) => {
    await put(server, "ways");
    const socket = await connect();
    const before = Date.now();
    const bySocket = await socket.call("createObjectUrl", { key: "ways", expiresInMs: 60_000 });
    const byHttp = await signed(server, "ways", 60_000);
    await using client = new DurableStream({ url: server.url, token: server.apiKey, fetch: false });
    const byClient = await client.objects.createUrl("ways", { expiresInMs: 60_000 });
    const raw = await client.createObjectUrl({ key: "ways" });

    expect(byClient.url).toMatch(
      new RegExp(`^${server.url}/r2/ways\\?expires=${byClient.expiresAt}&signature=[\\w-]{43}$`),
    );
    for (const url of [server.url + bySocket.url, server.url + byHttp, byClient.url, server.url + raw.url]) {
      expect(await (await fetch(url)).text()).toBe(OBJECT);
    }
    for (const { expiresAt } of [bySocket, byClient]) {
      expect(expiresAt - before).toBeGreaterThanOrEqual(60_000);
      expect(expiresAt - Date.now()).toBeLessThanOrEqual(60_000);
    }
    expect(raw.expiresAt - before).toBeGreaterThanOrEqual(300_000);
    expect(raw.expiresAt - Date.now()).toBeLessThanOrEqual(300_000);
  });

  test("needs no object to be made, and reads what the key has when it is used", async ({ server }) => {
    const url = server.url + (await signed(server, "later"));
    expect(await failure(await fetch(url))).toEqual([404, ErrorCode.NotFound]);
    await put(server, "later", {}, "first");
    expect(await (await fetch(url)).text()).toBe("first");
    await put(server, "later", {}, "second");
    expect(await (await fetch(url)).text()).toBe("second");
  });

  test.for([
    ["0", 0],
    ["999", 999],
    ["more than a day", DAY_MS + 1],
    ["1500.5", 1_500.5],
  ] as const)("is not made for %s ms", async ([, expiresInMs], { connect }) => {
    const client = await connect();

    expect((await client.callError("createObjectUrl", { key: "k", expiresInMs })).code).toBe(ErrorCode.InvalidParams);
  });

  test("is made for a second and for a day, and ends with its time", async ({ server }) => {
    await put(server, "short");
    const long = server.url + (await signed(server, "short", DAY_MS));
    const short = server.url + (await signed(server, "short", 1_000));

    await expect.poll(async () => (await fetch(short)).status).toBe(403);
    const response = await fetch(short);

    expect(await failure(response.clone())).toEqual([403, ErrorCode.Forbidden]);
    expect(await response.text()).toContain("the URL has expired");
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    expect((await fetch(long)).status).toBe(200);
  });
});

describe("caches", () => {
  const test = shared;

  test.for([
    ["nothing", {}, /^private, max-age=(\d+), no-transform$/, 60],
    [
      "that everybody may keep it",
      { "Cache-Control": "public, max-age=31536000" },
      /^private, max-age=(\d+), no-tr/,
      60,
    ],
    ["a shorter time", { "Cache-Control": "max-age=10" }, /^private, max-age=(\d+), no-transform$/, 10],
    ["a date", { Expires: "Thu, 01 Jan 2099 00:00:00 GMT" }, /^private, max-age=(\d+), no-transform$/, 60],
    ["that it be asked for", { "Cache-Control": "no-cache" }, /^private, no-cache, no-transform$/, 0],
    ["that nobody may keep it", { "Cache-Control": "no-store" }, /^private, no-store, no-transform$/, 0],
  ] as const)("keep it no longer than its URL lasts, put with %s", async ([, headers, form, mostS], { server }) => {
    await put(server, "kept", headers);
    const url = server.url + (await signed(server, "kept", 60_000));

    for (const response of [await fetch(url), await fetch(url, { headers: { "If-None-Match": "*" } })]) {
      const caching = response.headers.get("Cache-Control") ?? "";
      expect(caching).toMatch(form);
      expect(Number(form.exec(caching)?.[1] ?? 0)).toBeLessThanOrEqual(mostS);
      expect(response.headers.has("Expires")).toBe(false);
    }
  });
});

describe("refused", () => {
  const test = shared;
  const other = "signed/other";

  /** The URL of {@link KEY}, in its parts. */
  type Parts = { path: string; expires: string; signature: string };
  const changes: [what: string, status: number, change: (parts: Parts) => string][] = [
    ["another key", 403, ({ expires, signature }) => `/r2/${other}?expires=${expires}&signature=${signature}`],
    ["a part of the key", 403, ({ expires, signature }) => `/r2/signed?expires=${expires}&signature=${signature}`],
    ["the list", 401, ({ expires, signature }) => `/r2?expires=${expires}&signature=${signature}`],
    ["the list by a slash", 400, ({ expires, signature }) => `/r2/?expires=${expires}&signature=${signature}`],
    ["a call", 401, ({ expires, signature }) => `/rpc?expires=${expires}&signature=${signature}`],
    [
      "a later end",
      403,
      ({ path, expires, signature }) => `${path}?expires=${Number(expires) + 1}&signature=${signature}`,
    ],
    [
      "an earlier end",
      403,
      ({ path, expires, signature }) => `${path}?expires=${Number(expires) - 1}&signature=${signature}`,
    ],
    ["an end that is none", 403, ({ path, signature }) => `${path}?expires=never&signature=${signature}`],
    ["an end with zeros", 403, ({ path, expires, signature }) => `${path}?expires=0${expires}&signature=${signature}`],
    ["no end", 403, ({ path, signature }) => `${path}?signature=${signature}`],
    ["no signature", 401, ({ path, expires }) => `${path}?expires=${expires}`],
    ["an empty signature", 403, ({ path, expires }) => `${path}?expires=${expires}&signature=`],
    [
      "a part of it",
      403,
      ({ path, expires, signature }) => `${path}?expires=${expires}&signature=${signature.slice(1)}`,
    ],
    [
      "a changed one",
      403,
      ({ path, expires, signature }) => `${path}?expires=${expires}&signature=${swapped(signature)}`,
    ],
    ["a padded one", 403, ({ path, expires, signature }) => `${path}?expires=${expires}&signature=${signature}=`],
    ["one of another alphabet", 403, ({ path, expires }) => `${path}?expires=${expires}&signature=${"%20".repeat(15)}`],
    ["something more", 403, ({ path, expires, signature }) => `${path}?expires=${expires}&signature=${signature}&a=1`],
    ["another order", 403, ({ path, expires, signature }) => `${path}?signature=${signature}&expires=${expires}`],
    [
      "two signatures",
      403,
      ({ path, expires, signature }) => `${path}?expires=${expires}&signature=${signature}&signature=${signature}`,
    ],
    ["a key in the URL", 401, ({ path }) => `${path}?key=e2e-key`],
  ];

  test.for(changes)("%s: %i", async ([, status, change], { server }) => {
    await put(server, KEY);
    await put(server, other);
    const url = await signed(server, KEY);
    const [path = "", query] = url.split("?");
    const { expires = "", signature = "" } = Object.fromEntries(new URLSearchParams(query));

    const response = await fetch(server.url + change({ path, expires, signature }));

    expect(response.status).toBe(status);
    expect(await response.text()).not.toContain(OBJECT);
    expect((await fetch(server.url + url)).status).toBe(200);
  });

  test.for(["PUT", "POST", "DELETE", "PATCH", "OPTIONS"])(
    "%s, also with the key of the server",
    async (method, { server }) => {
      await put(server, KEY);
      const url = server.url + (await signed(server, KEY));
      for (const headers of [{}, { Authorization: `Bearer ${server.apiKey}` }]) {
        const body = method.startsWith("P") ? { body: "replaced" } : {};
        const response = await fetch(url, { method, headers, ...body });

        expect([response.status, response.headers.get("Allow")]).toEqual([405, "GET, HEAD"]);
      }
      expect(await (await fetch(url)).text()).toBe(OBJECT);
    },
  );

  test("nothing of a key that is written in another way", async ({ server }) => {
    await put(server, KEY);
    const [path = "", query] = (await signed(server, KEY)).split("?");
    const escaped = path.slice("/r2/".length).replaceAll("s", "%73").replaceAll("%C3%BC", "%c3%bc");

    expect(await (await fetch(`${server.url}/r2/${escaped}?${query}`)).text()).toBe(OBJECT);
  });
});

describe("the server's key", () => {
  const test = alone;

  test("ends what it has signed when it is changed, unless it is named as the one before", async ({ data }) => {
    const worker = inject("worker");
    const start = async (apiKey: string, vars: Record<string, string> = {}) => {
      const server = new Server({ worker, data, apiKey, vars });
      await server.start();
      return server;
    };
    let url: string;
    {
      await using server = await start("old");
      await put(server, "rotated");
      url = await signed(server, "rotated", DAY_MS);
    }
    {
      await using server = await start("new", { API_KEY_PREVIOUS: "old" });
      expect((await fetch(server.url + url)).status).toBe(200);
      expect((await fetch(server.url + (await signed(server, "rotated")))).status).toBe(200);
    }
    {
      await using server = await start("new", { API_KEY_PREVIOUS: "" });
      expect((await fetch(server.url + url)).status).toBe(403);
    }
    {
      await using server = await start("", { API_KEY_PREVIOUS: "old" });
      expect(await failure(await fetch(server.url + url))).toEqual([503, ErrorCode.Unavailable]);
    }
  });
});

/** A signature with another first character. */
function swapped(signature: string): string {
  return (signature.startsWith("A") ? "B" : "A") + signature.slice(1);
}
