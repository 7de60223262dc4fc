/** A real browser, where one is installed, and pages for it: the files of this repository, of an origin of their own. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";

import { chromium } from "playwright-core";
import type { Browser, BrowserContext } from "playwright-core";

import { test as base } from "../server/fixtures.ts";
import { executable } from "./browser-path.ts";

const root = join(import.meta.dirname, "../../..");

/** Why tests with a browser are not run here; undefined when they are. */
export const whyNoBrowser = executable === undefined ? "no Chromium is installed here, such as Debian's" : undefined;

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

/** The title of a test that needs a browser, which says so where there is none. */
export const title = (what: string) => (whyNoBrowser === undefined ? what : `NOT RUN: ${whyNoBrowser}: ${what}`);

/** `test` with a browser that was never used: a profile of its own, in a process that the tests of a file share. */
export const withBrowser = base.extend<{ $file: { program: Browser }; $test: { browser: BrowserContext } }>({
  program: [
    // oxlint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const program = await chromium.launch({ executablePath: executable ?? "", args: FLAGS });
      await use(program);
      await program.close();
    },
    { scope: "file" },
  ],

  browser: async ({ program }, use) => {
    const context = await program.newContext();
    await use(context);
    await context.close();
  },
});

/** `test` with a browser, and a server that allows the pages of `files`. */
export const test = withBrowser.extend<{ files: string; options: { vars: Record<string, string> } }>({
  /** Where a file server of this repository is: an origin. By the name `localhost` it is another one. */
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

  options: async ({ files }, use) => {
    await use({ vars: { ALLOWED_ORIGINS: files } });
  },
});
