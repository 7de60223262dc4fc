import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import type { Page } from "playwright-core";
import { beforeAll, expect } from "vitest";

import { test as base, whyNoBrowser } from "../server/browser.ts";
import type { Server } from "../server/server.ts";

const root = join(import.meta.dirname, "../../..");

const PATIENCE = { timeout: 20_000, interval: 20 };

const test = base.extend<{ open: () => Promise<Page> }>({
  /** Opens the chat in a tab. */
  open: async ({ browser, files }, use) => {
    await use(async () => {
      const page = await browser.newPage();
      await page.goto(`${files}/test/examples/chat.html`);
      return page;
    });
  },
});

beforeAll(async () => {
  if (whyNoBrowser === undefined) {
    await promisify(execFile)("npm", ["run", "build:package"], { cwd: root });
  }
}, 60_000);

test.skipIf(whyNoBrowser !== undefined)(
  whyNoBrowser === undefined
    ? "the chat: two pages talk, one reloads and leaves meanwhile, and both have everything once and in order"
    : `NOT RUN: ${whyNoBrowser}`,
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
