/** Pages in a real browser, served from elsewhere: one of an origin that the server allows, and one that it does not. */

import type { Page } from "playwright-core";
import { expect } from "vitest";

import type { DurableStream } from "../../../rpc/client.ts";

import type { Target } from "../server/client.ts";
import { test as base, title, whyNoBrowser } from "./browser.ts";

/** 3 × 2 pixels. */
const GIF = Buffer.from("R0lGODlhAwACAIAAAP8AAAAAACwAAAAAAwACAAACAoRRADs=", "base64");

const test = base.extend<{ allowed: Page; foreign: Page }>({
  allowed: async ({ browser, files }, use) => {
    await use(await opened(await browser.newPage(), files));
  },
  /** The same page by another name of its host, which is another origin. */
  foreign: async ({ browser, files }, use) => {
    await use(await opened(await browser.newPage(), files.replace("127.0.0.1", "localhost")));
  },
});

async function opened(page: Page, origin: string): Promise<Page> {
  await page.goto(`${origin}/test/e2e/browser/page.html`);
  return page;
}

const isMissing = whyNoBrowser !== undefined;

/** What is global in the pages. */
type WithClient = { DurableStream: new (options: object) => DurableStream };

/** What `POST /rpc` answers to a page: its status, or that the browser keeps it from the page. */
function post(page: Page, { url, apiKey }: Target, method: string): Promise<string | number> {
  return page.evaluate(
    async (given) => {
      try {
        const headers = { Authorization: `Bearer ${given.apiKey}`, "Content-Type": "application/json" };
        const response = await fetch(`${given.url}/rpc`, { method: "POST", headers, body: given.body });
        await response.text();
        return response.status;
      } catch (error) {
        return (error as Error).name;
      }
    },
    { url, apiKey, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { stream: "s", state: 1 } }) },
  );
}

/** What becomes of a page's socket: `pong` to its ping, or the code and the reason that it is closed with. */
function socket(page: Page, { url, apiKey }: Target): Promise<string> {
  return page.evaluate(
    ({ address, protocols }) =>
      new Promise<string>((resolve) => {
        const ws = new WebSocket(address, protocols);
        ws.addEventListener("open", () => ws.send("ping"));
        ws.addEventListener("message", ({ data }) => resolve(String(data)));
        ws.addEventListener("close", ({ code, reason }) => resolve(`${code} ${reason}`));
      }),
    {
      address: `${url.replace("http", "ws")}/rpc`,
      protocols: ["durable-stream.v1", `bearer.${Buffer.from(apiKey).toString("base64url")}`],
    },
  );
}

/** The width of an image in a page; 0 for one that is not shown. */
function widthOf(page: Page, url: string): Promise<number> {
  // As text: what this is compiled with knows no images.
  return page.evaluate(`new Promise((resolve) => {
    const image = document.createElement("img");
    image.addEventListener("load", () => resolve(image.naturalWidth));
    image.addEventListener("error", () => resolve(0));
    image.src = ${JSON.stringify(url)};
    document.body.append(image);
  })`);
}

test.skipIf(isMissing)(
  title("a page calls, and reads the answer, where its origin is allowed"),
  async ({ server, allowed, foreign, connect }) => {
    expect(await post(allowed, server, "getState")).toBe(200);
    expect(await post(allowed, { url: server.url, apiKey: "wrong" }, "getState")).toBe(401);
    expect(await post(foreign, server, "putState")).toBe("TypeError");
    const client = await connect();
    expect(await client.call("getState", { stream: "s" })).toMatchObject({ revision: 0 });
  },
);

test.skipIf(isMissing)(
  title("a page has a socket where its origin is allowed, and is told why not"),
  async ({ server, allowed, foreign }) => {
    expect(await socket(allowed, server)).toBe("pong");
    expect(await socket(foreign, server)).toBe("4403 the origin of this page is not allowed");
  },
);

test.skipIf(isMissing)(
  title("an image is shown by a signed URL in any page, until it ends"),
  async ({ server, allowed, foreign, connect }) => {
    const client = await connect();
    const image = { data: GIF.toString("base64"), encoding: "base64", contentType: "image/gif" } as const;
    await client.call("putObject", { key: "a/dot.gif", ...image });
    const made = await client.call("createObjectUrl", { key: "a/dot.gif" });
    const short = await client.call("createObjectUrl", { key: "a/dot.gif", expiresInMs: 1_000 });
    const ended = server.url + short.url;

    expect(await widthOf(allowed, server.url + made.url)).toBe(3);
    expect(await widthOf(foreign, server.url + made.url)).toBe(3);
    expect(await widthOf(allowed, `${server.url}/r2/a/dot.gif`)).toBe(0);
    await expect.poll(async () => (await fetch(ended)).status).toBe(403);
    expect(await widthOf(allowed, ended)).toBe(0);
  },
);

test.skipIf(isMissing)(
  title("a stored page is a download, opened by a signed URL"),
  async ({ server, browser, connect }) => {
    const client = await connect();
    const data = "<title>stored</title><script>document.title = 'ran'</script>";
    await client.call("putObject", { key: "page.html", data, contentType: "text/html" });
    const { url } = await client.call("createObjectUrl", { key: "page.html" });
    const page = await browser.newPage();
    const downloaded = page.waitForEvent("download");

    await expect(page.goto(server.url + url)).rejects.toThrow(/Download is starting/);

    expect((await downloaded).suggestedFilename()).toBe("page.html");
    expect(await page.title()).toBe("");
  },
);

test.skipIf(isMissing)(
  title("the client in a page of an allowed origin puts and reads over HTTP"),
  async ({ server, allowed }) => {
    const bytes = 1_000_000;

    const outcome = await allowed.evaluate(
      async ({ url, token, size }) => {
        const { DurableStream: Client } = globalThis as unknown as WithClient;
        const sent: string[] = [];
        const counted = (input: string, init: RequestInit) => {
          sent.push(init.method ?? "");
          return fetch(input, init);
        };
        const client = new Client({ url, token, fetch: counted });
        const body = new Uint8Array(size).fill(7);
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
        const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
        const options = { sha256, metadata: { title: "ü" }, ifNoneMatch: "*", contentType: "image/x-none" };
        const put = await client.objects.put("large", body, options);
        const read = await client.objects.get("large");
        const { byteLength } = await new Response(read.body).arrayBuffer();
        const made = await client.objects.createUrl("large");
        const direct = await fetch(made.url, { headers: { Range: "bytes=0-9" } });
        const range = [direct.status, direct.headers.get("Content-Range"), direct.headers.get("X-Object-Meta-Title")];
        await client.close();
        return { put, byteLength, sent, range };
      },
      { url: server.url, token: server.apiKey, size: bytes },
    );

    expect(outcome).toMatchObject({ put: { size: bytes, metadata: { title: "ü" } }, byteLength: bytes });
    expect(outcome.sent).toEqual(["PUT", "GET"]);
    expect(outcome.range).toEqual([206, `bytes 0-9/${bytes}`, "%C3%BC"]);
  },
);

test.skipIf(isMissing)(title("the client in a page of another origin is told at once"), async ({ server, foreign }) => {
  const outcome = await foreign.evaluate(
    async ({ url, token }) => {
      const { DurableStream: Client } = globalThis as unknown as WithClient;
      const client = new Client({ url, token });
      const error = await client.publish({ stream: "s", data: 1 }).catch((thrown: Error) => thrown);
      return { name: (error as Error).name, state: client.state };
    },
    { url: server.url, token: server.apiKey },
  );

  expect(outcome).toEqual({ name: "Forbidden", state: "closed" });
});
