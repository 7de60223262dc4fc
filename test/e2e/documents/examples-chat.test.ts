import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";

import { chromium } from "playwright-core";
import type { Page } from "playwright-core";
import { beforeAll, expect } from "vitest";

import { test as base } from "../server/fixtures.ts";
import type { Server } from "../server/server.ts";

const root = join(import.meta.dirname, "../../..");

const browser = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path),
);

/** Nothing that asks the network, and nothing kept. */
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const TYPES: Record<string, string> = { html: "text/html", js: "text/javascript", map: "application/json" };

const PATIENCE = { timeout: 20_000, interval: 20 };

const test = base.extend<{ files: string; open: () => Promise<Page> }>({
  /** Where a file server of this repository is. */
  // oxlint-disable-next-line no-empty-pattern
  files: async ({}, use) => {
    const server = createServer((request, response) => {
      const path = new URL(request.url ?? "", "http://files").pathname;
      readFile(join(root, path)).then(
        (content) =>
          response.writeHead(200, { "Content-Type": TYPES[path.split(".").at(-1) ?? ""] ?? "text/plain" }).end(content),
        () => response.writeHead(404).end(),
      );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    await use(`http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`);
    server.closeAllConnections();
    server.close();
  },

  /** Opens the chat in a tab of a browser that was never used. */
  open: async ({ data, files }, use) => {
    const context = await chromium.launchPersistentContext(join(data, "browser"), {
      executablePath: browser ?? "",
      args: FLAGS,
    });
    await use(async () => {
      const page = await context.newPage();
      await page.goto(`${files}/test/examples/chat.html`);
      return page;
    });
    await context.close();
  },
});

beforeAll(async () => {
  if (browser !== undefined) {
    await promisify(execFile)("npm", ["run", "build:package"], { cwd: root });
  }
}, 60_000);

test.skipIf(browser === undefined)(
  browser === undefined
    ? "NOT RUN: no Chromium is installed here, such as Debian's chromium"
    : "the chat: two pages talk, one reloads and leaves meanwhile, and both have everything once and in order",
  async ({ server, open }) => {
    const [ann, bob] = await Promise.all([enter(await open(), server, "Ann"), enter(await open(), server, "Bob")]);

    await say(ann, "hello");
    await say(bob, "hi");
    await expect.poll(() => lines(ann), PATIENCE).toHaveLength(2);
    await sayNumbers(ann, 1, 5);
    const [reloaded] = await Promise.all([bob.reload(), sayNumbers(ann, 6, 10)]);
    // Gone for certain, and back in the same tab.
    await bob.goto("about:blank");
    await sayNumbers(ann, 11, 20);
    await bob.goto(reloaded?.url() ?? "");
    await bob.waitForSelector("#say:not([hidden])");
    await say(bob, "back");
    await say(ann, "there you are");

    await expect.poll(() => lines(ann), PATIENCE).toHaveLength(24);
    await expect.poll(() => lines(bob), PATIENCE).toEqual(await lines(ann));
    const said = await lines(ann);
    expect(said.slice(0, 2).toSorted()).toEqual(["Ann: hello", "Bob: hi"]);
    expect(said.filter((line) => line.includes("number"))).toEqual(
      Array.from({ length: 20 }, (_, index) => `Ann: number ${index + 1}`),
    );
    expect(await bob.textContent("#state")).toBe("open");
    expect(bob.url()).not.toContain(server.apiKey);
  },
);

async function enter(page: Page, { url, apiKey }: Server, name: string): Promise<Page> {
  await page.fill("#join [name=url]", url);
  await page.fill("#join [name=token]", apiKey);
  await page.fill("#join [name=name]", name);
  await page.click("#join button");
  await page.waitForSelector("#say:not([hidden])");
  return page;
}

async function say(page: Page, text: string): Promise<void> {
  await page.fill("#say [name=text]", text);
  await page.press("#say [name=text]", "Enter");
}

async function sayNumbers(page: Page, first: number, last: number): Promise<void> {
  for (let count = first; count <= last; count += 1) {
    await say(page, `number ${count}`);
  }
}

function lines(page: Page): Promise<string[]> {
  return page.locator("#log li").allTextContents();
}
