/** What comes of the server's address: the page, its files, its headers; and who may use it. */
import { once } from "node:events";
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { gzipSync } from "node:zlib";

import { describe, expect } from "vitest";

import { sharingServer } from "../server/fixtures.ts";
import type { Server } from "../server/server.ts";

const test = sharingServer();

/** As Chromium asks for a page. */
const OF_A_BROWSER = { Accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };

/** What a page may be, compressed, with all that it loads at first. */
const FIRST_LOAD_BYTES = 100_000;

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; " +
  "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
  "require-trusted-types-for 'script'; trusted-types 'none'";

const COMMON = { "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" };

/** The page, and the files that it loads. */
async function load({ url }: Server): Promise<{ page: Response; html: string; files: [path: string, Response][] }> {
  const page = await fetch(url, { headers: OF_A_BROWSER });
  const html = await page.text();
  const paths = [...html.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path = ""]) => path);
  const files = paths.map(async (path): Promise<[string, Response]> => [path, await fetch(url + path)]);
  return { page, html, files: await Promise.all(files) };
}

describe("GET /", () => {
  test("is the page for a browser, with a policy that allows this server only", async ({ server }) => {
    const { page, html } = await load(server);

    expect(page.status).toBe(200);
    expect(Object.fromEntries(page.headers)).toMatchObject({
      ...COMMON,
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": POLICY,
      "cache-control": "no-cache",
      vary: "Accept",
    });
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=/);
  });

  test("is not sent again to a browser that has it", async ({ server }) => {
    const { page } = await load(server);
    const known = { ...OF_A_BROWSER, "If-None-Match": page.headers.get("ETag") ?? "" };

    const again = await fetch(server.url, { headers: known });

    expect(again.status).toBe(304);
    expect(again.headers.get("Content-Security-Policy")).toBe(POLICY);
  });

  test("says in JSON what this is, to whoever does not ask for a page", async ({ server }) => {
    const answer = await fetch(server.url);

    expect(answer.headers.get("Content-Type")).toBe("application/json");
    expect(await answer.json()).toEqual({
      name: "durable-stream",
      version: expect.any(String),
      rpc: "/rpc",
      stream: "/stream/<name>",
      objects: "/r2/<key>",
      health: "/health",
      docs: expect.any(String),
    });
  });

  test.for(["/r2/..", "/r2/%2e%2e", "/r2/../assets/x.js", "/./", "/x/.."])(
    "is not at %s, which only looks like it",
    async (path, { server }) => {
      // Unlike `fetch`, this sends the path as it stands.
      const { hostname, port } = new URL(server.url);
      const [answer]: IncomingMessage[] = await once(get({ hostname, port, path, headers: OF_A_BROWSER }), "response");
      answer?.resume();

      expect([path, answer?.statusCode]).toEqual([path, path.startsWith("/r2/") ? 401 : 200]);
    },
  );

  test("refuses the page of another origin, and not its own", async ({ server }) => {
    const asked = (origin: string) => fetch(server.url, { headers: { Origin: origin } });

    expect((await asked(server.url)).status).toBe(200);
    expect((await asked("https://elsewhere.example")).status).toBe(403);
  });
});

describe("the files of the page", () => {
  test("are named by their content, kept for good, and of few bytes", async ({ server }) => {
    const { html, files } = await load(server);

    expect(files.length).toBeGreaterThanOrEqual(2);
    for (const [path, { status, headers }] of files) {
      expect([status, path]).toEqual([200, expect.stringMatching(/^\/assets\/[a-z]+-[A-Z0-9]{8}\.(js|css)$/)]);
      expect(Object.fromEntries(headers)).toMatchObject({
        ...COMMON,
        "cache-control": "public, max-age=31536000, immutable",
      });
    }
    const bodies = await Promise.all(files.map(([, response]) => response.arrayBuffer()));
    const sizes = [html, ...bodies].map(
      (body) => gzipSync(typeof body === "string" ? body : new Uint8Array(body)).length,
    );
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(FIRST_LOAD_BYTES);
  });

  test("are not kept as missing: another version may have them", async ({ server }) => {
    const missing = await fetch(`${server.url}/assets/main-AAAAAAAA.js`);

    expect(missing.status).toBe(404);
    expect(missing.headers.get("Cache-Control") ?? "").not.toContain("immutable");
  });
});
