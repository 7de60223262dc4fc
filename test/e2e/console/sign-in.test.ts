/** The key of the console: asked for once, kept for the tab, refused in place, forgotten. */
import { expect } from "vitest";

import { inBrowser, signIn, title } from "./console.ts";

inBrowser(title("asks for a key once, and keeps it for the tab only"), async ({ open, browser, server }) => {
  const page = await open("#/server");
  await page.getByRole("heading", { name: "Server" }).waitFor();

  await page.reload();
  await page.getByRole("heading", { name: "Server" }).waitFor();
  const other = await open("#/server", { token: false });

  expect(await other.getByLabel("Key or token").isVisible()).toBe(true);
  expect(page.url()).not.toContain(server.apiKey);
  const kept = await page.evaluate<string>("JSON.stringify([{ ...localStorage }, document.cookie])");
  expect(kept).toBe('[{},""]');
  expect(await browser.cookies()).toEqual([]);
  expect(server.log).not.toContain(server.apiKey);
});

inBrowser(title("says in place that a key is refused, and asks again"), async ({ open, server }) => {
  const page = await open("#/streams", { token: false });

  await signIn(page, "wrong");
  const refusal = page.getByRole("alert").filter({ hasText: "Unauthenticated" });
  await refusal.waitFor();
  expect(await page.getByLabel("Key or token").inputValue()).toBe("wrong");
  await signIn(page, server.apiKey);

  await page.getByRole("heading", { name: "Streams" }).waitFor();
});
