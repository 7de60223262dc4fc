/** The server, and the page's connection to it: told, lost, and had again. */
import { expect } from "vitest";

import { LIMITS } from "../../../rpc/index.ts";

import { inBrowser, signIn, title, tokenOf } from "./console.ts";

inBrowser(title("tells the server, the connection and each limit"), async ({ open }) => {
  const page = await open("#/server");
  const limits = page.getByRole("table", { name: "Limits" }).getByRole("rowheader");

  await expect.poll(() => limits.count()).toBe(Object.keys(LIMITS).length);
  const facts = page.locator(".facts").first();
  expect(await facts.innerText()).toMatch(/durable-stream \d+\.\d+\.\d+[^]*Connected[^]*Reconnects\s+0[^]*local-\d/);
  await page.getByText("A key, which may do everything.").waitFor();
});

inBrowser(title("tells what a token says that it may do"), async ({ open }) => {
  const page = await open("#/server", { token: tokenOf([{ streams: ["room.*"], actions: ["read"] }]) });

  await page.getByText('"room.*"').waitFor();
  expect(await page.locator("section", { hasText: "Token of" }).innerText()).toContain("Ann");
});

inBrowser(
  title("goes on by itself when the server is back, and what was typed is still there"),
  async ({ open, server, connect }) => {
    const client = await connect();
    await client.call("putState", { stream: "orders", state: { n: 1 } });
    const page = await open("#/streams/orders/state");
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("State, as JSON").fill('{ "n": 2 }');

    await server.kill9();
    await page.getByRole("status").getByText("Connecting…").waitFor();
    await page.getByRole("button", { name: "Save" }).click();
    await server.start();
    await page.getByRole("status").getByText("Connected").waitFor();

    // The call that was made without a connection is done.
    await page.getByText("Saved as revision 2.").waitFor();
    await page.getByRole("link", { name: "Server" }).click();
    await expect.poll(() => page.locator(".facts").first().innerText()).toMatch(/Reconnects\s+1\s/);
  },
);

inBrowser(
  title("asks for another key when a token has ended, and what was typed is still there"),
  async ({ open, server, connect }) => {
    const client = await connect();
    await client.call("putState", { stream: "orders", state: { n: 1 } });
    const token = tokenOf([{ streams: ["orders"], actions: ["read", "state"] }], 8_000);
    const page = await open("#/streams/orders/state", { token });
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("State, as JSON").fill('{ "n": 2 }');

    await page.getByRole("alert").filter({ hasText: "Give a key or token to go on." }).waitFor();
    expect(await page.evaluate<number>("sessionStorage.length")).toBe(0);
    await signIn(page, server.apiKey);
    await page.getByRole("button", { name: "Save" }).click();

    await page.getByText("Saved as revision 2.").waitFor();
  },
);

inBrowser(title("forgets the key when it is told to"), async ({ open }) => {
  const page = await open("#/server");
  await page.getByRole("button", { name: "Forget key" }).click();

  await page.getByLabel("Key or token").waitFor();
  expect(await page.evaluate<number>("sessionStorage.length")).toBe(0);
  expect(await page.getByRole("navigation").count()).toBe(0);
  await page.reload();
  await page.getByLabel("Key or token").waitFor();
});
