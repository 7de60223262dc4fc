import { fork } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

import type { Page } from "playwright-core";
import { expect } from "vitest";

import type { DurableStream } from "../../../../rpc/client.ts";

import { jwks, newKey } from "../../access/token-maker.ts";
import { test as base, whyNoBrowser } from "../../browser/browser.ts";
import { freePort } from "../../server/free-port.ts";

const root = join(import.meta.dirname, "../../../..");

const PATIENCE = { timeout: 20_000, interval: 20 };
/** How long each token of a page lasts. */
const TOKEN_MS = 3_000;

const test = base.extend<{
  origin: string;
  options: { vars: Record<string, string> };
  open: (name: string) => Promise<Page>;
}>({
  /** Where the backend of the chat is. */
  // oxlint-disable-next-line no-empty-pattern
  origin: async ({}, use) => {
    await use(`http://127.0.0.1:${await freePort()}`);
  },

  options: async ({ origin }, use) => {
    await use({ vars: { ALLOWED_ORIGINS: origin, TOKEN_KEYS: jwks(newKey("HS256", "chat").jwk) } });
  },

  /** Enters the chat in a tab. */
  open: async ({ browser, server, origin }, use) => {
    const env = { STREAM_URL: server.url, API_KEY: server.apiKey, PORT: new URL(origin).port, TOKEN_MS: `${TOKEN_MS}` };
    const backend = fork(join(root, "test/examples/chat-backend.ts"), {
      env: { ...process.env, ...env },
      silent: true,
    });
    await once(backend.stdout ?? backend, "data");
    await use(async (name) => {
      const page = await browser.newPage();
      await page.goto(origin);
      await page.fill("#join [name=url]", server.url);
      await page.fill("#join [name=name]", name);
      await page.click("#join button");
      await page.waitForSelector("#say:not([hidden])");
      return page;
    });
    backend.kill();
    await once(backend, "exit");
  },
});

const title = (what: string) => (whyNoBrowser === undefined ? what : `NOT RUN: ${whyNoBrowser}: ${what}`);
const isMissing = whyNoBrowser !== undefined;

test("the chat: no file beside it holds a key", async () => {
  const files = await readdir(join(root, "test/examples"));

  expect(files).toContain("chat.html");
  expect(files.filter((name) => name.startsWith("."))).toEqual([]);
});

test.skipIf(isMissing)(
  title("the chat: two pages talk, one reloads and leaves meanwhile, and both have everything once and in order"),
  async ({ open }) => {
    const [ann, bob] = await Promise.all([open("Ann"), open("Bob")]);

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
    expect(said.filter((line) => line.includes("number"))).toEqual(numbers(1, 20));
    expect(await bob.textContent("#state")).toBe("open");
  },
);

test.skipIf(isMissing)(
  title("the chat: goes on through the ends of its tokens, and one that is muted reads on and says nothing more"),
  async ({ open, origin, server }) => {
    const [ann, bob] = await Promise.all([open("Ann"), open("Bob")]);
    const tokens: string[] = [];
    bob.on(
      "response",
      async (response) => void (response.url().includes("/token") && tokens.push(await response.text())),
    );

    let count = 0;
    while (tokens.length < 3) {
      count += 1;
      await say(ann, `number ${count}`);
    }
    await expect.poll(() => lines(bob), PATIENCE).toEqual(numbers(1, count));
    expect(new Set(tokens).size).toBe(3);

    await fetch(`${origin}/mute?user=Bob`);
    await expect
      .poll(async () => {
        await say(bob, "I");
        return bob.textContent("#state");
      }, PATIENCE)
      .toBe("You are muted");
    await say(ann, "at last");
    for (const page of [ann, bob]) {
      await expect.poll(async () => (await lines(page)).at(-1), PATIENCE).toBe("Ann: at last");
    }
    expect(await lines(bob)).toEqual(await lines(ann));

    // The page never had the key.
    const storage = await bob.evaluate<string>("JSON.stringify([sessionStorage, localStorage])");
    expect([await bob.content(), storage, ...tokens].join()).not.toContain(server.apiKey);
  },
);

test.skipIf(isMissing)(
  title("the chat: its token is for reading it, and for speaking by one name"),
  async ({ open, server }) => {
    const page = await open("Ann");

    await page.addScriptTag({ type: "module", content: CLIENT });
    await page.waitForFunction(() => "DurableStream" in globalThis);
    const outcomes = await page.evaluate(async (url) => {
      const { DurableStream: Made } = globalThis as unknown as WithClient;
      const client = new Made({ url, token: await (await fetch("/token?user=Ann")).text() });
      const calls = [
        client.publish({ stream: "chat", subject: "said.Ann", data: { text: "mine" } }),
        client.publish({ stream: "chat", subject: "said.Bob", data: { text: "not mine" } }),
        client.publish({ stream: "other", subject: "said.Ann", data: 1 }),
        client.getMessages({ stream: "other" }),
        client.deleteStream({ stream: "chat" }),
        client.issueToken({ rights: [] }),
      ];
      return Promise.all(
        calls.map((call) =>
          call.then(
            () => "done",
            ({ name }: Error) => name,
          ),
        ),
      );
    }, server.url);

    expect(outcomes).toEqual(["done", ...Array.from({ length: 5 }, () => "Forbidden")]);
    await expect.poll(() => lines(page), PATIENCE).toEqual(["Ann: mine"]);
  },
);

/** Makes the client global in a page. */
const CLIENT = 'import { DurableStream } from "/dist/rpc/client.js"; globalThis.DurableStream = DurableStream;';
type WithClient = { DurableStream: new (options: object) => DurableStream };

async function say(page: Page, text: string): Promise<void> {
  await page.fill("#say [name=text]", text);
  await page.press("#say [name=text]", "Enter");
}

async function sayNumbers(page: Page, first: number, last: number): Promise<void> {
  for (let count = first; count <= last; count += 1) {
    await say(page, `number ${count}`);
  }
}

function numbers(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => `Ann: number ${first + index}`);
}

function lines(page: Page): Promise<string[]> {
  return page.locator("#log li").allTextContents();
}
