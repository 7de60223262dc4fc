/** The list of streams. */
import { expect } from "vitest";

import { DurableStream } from "../../../rpc/client.ts";

import type { Server } from "../server/server.ts";
import { inBrowser, title, tokenOf } from "./console.ts";

/** Makes streams of these names. */
async function make(server: Server, names: readonly string[]): Promise<void> {
  await using client = new DurableStream({ url: server.url, token: server.apiKey });
  await Promise.all(names.map((stream) => client.configureStream({ stream })));
}

inBrowser(title("are listed in the order of their names, and searched by how they begin"), async ({ open, server }) => {
  await make(server, ["orders", "orders.eu", "payments"]);

  const page = await open("#/streams");
  const rows = page.getByRole("table", { name: "Streams" }).getByRole("rowheader");
  await expect.poll(() => rows.allTextContents()).toEqual(["orders", "orders.eu", "payments"]);
  await page.getByLabel("Name begins with").fill("orders.");
  await expect.poll(() => rows.allTextContents()).toEqual(["orders.eu"]);
  await page.getByLabel("Name begins with").fill("nothing");
  await page.getByText("No stream begins with “nothing”.").waitFor();
  await page.getByLabel("Name begins with").fill("a b");

  await page.getByRole("alert").getByText("Must be the beginning of a stream's name.").waitFor();
});

inBrowser(title("come by pages, each stream once"), async ({ open, server }) => {
  const names = Array.from({ length: 230 }, (_, index) => `s${String(index).padStart(3, "0")}`);
  await make(server, names);

  const page = await open("#/streams");
  const rows = page.getByRole("table", { name: "Streams" }).getByRole("rowheader");
  await expect.poll(() => rows.count()).toBe(100);
  await page.getByRole("button", { name: "More" }).click();
  await page.getByText("200+ streams").waitFor();
  await page.getByRole("button", { name: "More" }).click();
  await page.getByText("230 streams").waitFor();

  expect(await rows.allTextContents()).toEqual(names);
  expect(await page.getByRole("button", { name: "More" }).count()).toBe(0);
});

inBrowser(
  title("are opened by name, one that is none is refused in place, and one that is missing is made"),
  async ({ open }) => {
    const page = await open("#/streams");

    await page.getByLabel("Open by name").fill(".hidden");
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByText("Must be of [A-Za-z0-9._-] and not start with a dot.").waitFor();
    expect(page.url()).toMatch(/#\/streams$/);
    await page.getByLabel("Open by name").fill("new.one");
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByText("There is no stream of this name.").waitFor();
    expect(page.url()).toMatch(/#\/streams\/new\.one$/);
    await page.getByRole("button", { name: "Make it now" }).click();
    await page.getByRole("heading", { name: "Contents" }).waitFor();
    await page.getByRole("link", { name: "Streams" }).first().click();

    await page.getByRole("rowheader", { name: "new.one" }).waitFor();
  },
);

inBrowser(title("say in place what a token may not do, and the rest works"), async ({ open, server }) => {
  await make(server, ["room.1", "secret"]);
  const token = tokenOf([{ streams: ["room.*"], actions: ["read"] }]);

  const page = await open("#/streams", { token });
  const rows = page.getByRole("table", { name: "Streams" }).getByRole("rowheader");
  await expect.poll(() => rows.allTextContents()).toEqual(["room.1"]);
  await page.getByLabel("Open by name").fill("secret");
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByText("This key or token may not do this: it needs the right “read” on secret.").waitFor();
  await page.getByRole("link", { name: "Streams" }).first().click();
  await page.getByRole("link", { name: "room.1" }).click();
  await page.getByRole("heading", { name: "Contents" }).waitFor();
  await page.getByLabel("Most messages").fill("10");
  await page.getByRole("button", { name: "Save" }).click();

  await page.getByText("it needs the right “manage” on room.1").waitFor();
  expect(await page.getByLabel("Most messages").inputValue()).toBe("10");
});
