/** The console in a real browser, against a server of the test's own. */
import { setTimeout as delay } from "node:timers/promises";

import type { Page } from "playwright-core";

import type { Right } from "../../../rpc/index.ts";

import { jwks, newKey, signedBy } from "../access/token-maker.ts";
import { signIn } from "./sign-in.ts";
import { title, whyNoBrowser, withBrowser } from "../browser/browser.ts";

/** What tokens are signed with. */
const key = newKey("HS256", "tokens");

/** What a browser writes by itself of a server that is gone. */
const OF_A_LOST_SERVER = /net::ERR_|WebSocket connection to/;

type Opening = {
  /** What is given as the key; the server's own unless given. `false`: the page is left at the question. */
  readonly token?: string | false;
  /** The origin that the page is opened at, as of a proxy; the server's unless given. */
  readonly at?: string;
};

/**
 * A test with `open`, which opens the console at a place such as `#/streams`, and gives it a key. A test fails when a page of
 * it has violated its Content-Security-Policy, has written an error, or has thrown one.
 */
const test = withBrowser.extend<{
  options: { apiKey?: string; vars: Record<string, string> };
  open: (hash?: string, opening?: Opening) => Promise<Page>;
}>({
  options: { vars: { TOKEN_KEYS: jwks(key.jwk) } },

  open: async ({ browser, server, task }, use) => {
    const faults: string[] = [];
    await browser.addInitScript({
      content: `addEventListener("securitypolicyviolation", (event) =>
        console.error("violates the policy: " + event.violatedDirective + " " + event.sourceFile))`,
    });
    await use(async (hash = "", { token = server.apiKey, at = server.url } = {}) => {
      const page = await browser.newPage();
      page.on("pageerror", (error) => faults.push(String(error)));
      page.on("console", (message) => {
        if (message.type() === "error" && !OF_A_LOST_SERVER.test(message.text())) {
          faults.push(message.text());
        }
      });
      await page.goto(`${at}/${hash}`);
      if (token !== false) {
        await signIn(page, token);
        await page.getByRole("navigation", { name: "Sections" }).waitFor();
      }
      return page;
    });
    const shown = task.result?.state === "fail" ? (await Promise.all(browser.pages().map(said))).join("\n\n") : "";
    if (faults.length > 0) {
      throw new Error(`the console has faults:\n${faults.join("\n")}\n${shown}`);
    }
    if (shown !== "") {
      // Told beside the failure: what is written here is far from it in what a run of all tests prints.
      throw new Error(`the pages showed:\n${shown}`);
    }
  },
});

/** What a page says, and whether it is drawn at all: for somebody who asks why a test has failed. */
async function said(page: Page): Promise<string> {
  const asked = (expression: string) =>
    Promise.race([page.evaluate<string>(expression).catch(String), delay(2_000, "NO ANSWER")]);
  const [isDrawn, text] = await Promise.all([
    asked("new Promise((resolve) => requestAnimationFrame(() => resolve('is drawn')))"),
    asked("document.body.innerText"),
  ]);
  return `${page.url()}: ${isDrawn}\n${text.slice(0, 2_000)}`;
}

/** A test that is not run where there is no browser: its {@link title} says so. */
export const inBrowser = test.skipIf(whyNoBrowser !== undefined);
/** The same with a server that has no key of its own, and takes tokens only. */
export const keyless = test
  .extend({ options: { apiKey: "", vars: { TOKEN_KEYS: jwks(key.jwk) } } })
  .skipIf(whyNoBrowser !== undefined);
export { signIn, title };

/** A token of Ann with these rights. */
export function tokenOf(rights: readonly Right[], livesMs = 600_000): string {
  return signedBy(key, { sub: "Ann", exp: (Date.now() + livesMs) / 1_000, rights });
}
