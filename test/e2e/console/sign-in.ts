import type { Page } from "playwright-core";

/** Gives the page a key. */
export async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel("Key or token").fill(token);
  await page.getByRole("button", { name: "Open", exact: true }).click();
}
