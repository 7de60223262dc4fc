/** Objects in the console: folders, what is known of one, previews, downloads and deletions. */
import { readFile } from "node:fs/promises";

import type { Page } from "playwright-core";
import { expect } from "vitest";

import { DurableStream } from "../../../../rpc/client.ts";
import type { Client } from "../../server/client.ts";
import { inBrowser, keyless, title, tokenOf } from "../console.ts";

/** 3 × 2 pixels. */
const GIF = "R0lGODlhAwACAIAAAP8AAAAAACwAAAAAAwACAAACAoRRADs=";

const objectPage = (key: string) => `#/objects/object/${encodeURIComponent(key)}`;

async function put(client: Client, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    await client.call("putObject", { key, data: key });
  }
}

async function keysOf(client: Client): Promise<string[]> {
  const { objects } = await client.call("listObjects", {});
  return objects.map(({ key }) => key);
}

/** The names that the listing shows. */
function names(page: Page): Promise<string[]> {
  return page.getByRole("rowheader").allInnerTexts();
}

inBrowser(title("lists folders and objects, and goes into folders and back"), async ({ open, connect }) => {
  const client = await connect();
  await put(client, ["a/b/one", "a/b/two", "a/three", "four", "über/fünf"]);
  const page = await open("#/objects");
  await expect.poll(() => names(page)).toEqual(["a/", "über/", "four"]);

  await page.getByRole("link", { name: "a/" }).click();
  await page.getByRole("heading", { name: "a", exact: true }).waitFor();
  await expect.poll(() => names(page)).toEqual(["b/", "three"]);
  await page.getByRole("link", { name: "b/" }).click();
  await expect.poll(() => names(page)).toEqual(["one", "two"]);
  await page.goBack();
  await expect.poll(() => names(page)).toEqual(["b/", "three"]);
  await page.getByLabel("Without folders").check();
  await expect.poll(() => names(page)).toEqual(["b/one", "b/two", "three"]);
  await page.getByLabel("Folders above").getByRole("link", { name: "Objects" }).click();
  await expect.poll(() => names(page)).toEqual(["a/", "über/", "four"]);
  await page.getByLabel("Name begins with").fill("üb");

  await expect.poll(() => names(page)).toEqual(["über/"]);
  await page.getByLabel("Name begins with").fill("none");
  await page.getByText("No key begins with “none”.").waitFor();
});

inBrowser(title("reads further pages when asked"), async ({ open, connect }) => {
  const client = await connect();
  await put(
    client,
    Array.from({ length: 101 }, (_, index) => `key-${String(index).padStart(3, "0")}`),
  );
  const page = await open("#/objects");
  await page.getByText("100+ entries").waitFor();

  await page.getByRole("button", { name: "More" }).click();
  await page.getByText("101 entries").waitFor();

  expect(await names(page)).toHaveLength(101);
  expect(await page.getByRole("button", { name: "More" }).count()).toBe(0);
});

inBrowser(title("shows what is known of an object, and its JSON"), async ({ open, connect }) => {
  const client = await connect();
  const { etag } = await client.call("putObject", {
    key: "a/b.json",
    data: '{ "item": "tea" }',
    contentType: "application/json",
    metadata: { origin: "Assam" },
  });
  const page = await open("#/objects/folder/a%2F");
  await page.getByRole("link", { name: "b.json" }).click();

  await page.getByText('"tea"').waitFor();
  const facts = await page.getByRole("region", { name: "Metadata" }).innerText();
  for (const text of ["a/b.json", "17 B", "application/json", etag, "Assam"]) {
    expect(facts).toContain(text);
  }
});

inBrowser(title("shows a small image, and an SVG or a page as text only"), async ({ open, connect }) => {
  const client = await connect();
  const svg = `<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "owned"</script></svg>`;
  await client.call("putObject", { key: "dot.gif", data: GIF, encoding: "base64", contentType: "image/gif" });
  await client.call("putObject", { key: "no.gif", data: "no", contentType: "image/gif" });
  await client.call("putObject", { key: "a.svg", data: svg, contentType: "image/svg+xml" });
  await client.call("putObject", { key: "a.html", data: svg, contentType: "text/html" });
  await client.call("putObject", { key: "a.json", data: svg, contentType: "application/json" });
  await client.call("putObject", { key: "bytes", data: "gICA", encoding: "base64" });
  await client.call("putObject", { key: "large.txt", data: "x".repeat(300_000) });
  const page = await open(objectPage("dot.gif"));
  const image = page.getByRole("img", { name: "Preview of dot.gif" });
  await image.waitFor();
  expect(await image.getAttribute("src")).toMatch(/^blob:/);
  expect(await page.evaluate<number>("document.images[0].naturalWidth")).toBe(3);

  for (const key of ["a.svg", "a.html", "a.json"]) {
    await page.goto(`${page.url().split("#")[0]}${objectPage(key)}`);
    await page.getByRole("heading", { name: key }).waitFor();
    await page.getByText(svg).waitFor();
    expect(await page.locator("main svg, main img, main script, main iframe").count()).toBe(0);
    expect(await page.title()).not.toBe("owned");
  }

  for (const [key, words] of [
    ["no.gif", "no image that the browser can show"],
    ["bytes", "It is not text."],
    ["large.txt", "Download it to see it."],
  ] as const) {
    await page.goto(`${page.url().split("#")[0]}${objectPage(key)}`);
    await page.getByText(words).waitFor();
  }
});

inBrowser(title("shows hostile keys and metadata as text, and finds them again"), async ({ open, connect }) => {
  const client = await connect();
  const key = `<img src=x onerror=alert(1)>/..%2F#?&"'\u202etxt.exe`;
  await client.call("putObject", { key, data: "hello", metadata: { note: "<b>\u202ebold" } });
  const page = await open("#/objects");

  await page.getByRole("link", { name: "<img src=x onerror=alert(1)>/" }).click();
  const name = String.raw`..%2F#?&"'\u202etxt.exe`;
  await page.getByRole("link", { name, exact: true }).click();
  await page.getByText("hello").waitFor();

  expect(await page.getByRole("heading", { level: 1 }).innerText()).toBe(name);
  expect(await page.getByRole("region", { name: "Metadata" }).innerText()).toContain(String.raw`<b>\u202ebold`);
  expect(await page.locator("main img, main b").count()).toBe(0);
  await page.reload();
  await page.getByText("hello").waitFor();
});

inBrowser(title("downloads an object of several parts without holding it"), async ({ open, connect, server, data }) => {
  const client = await connect();
  const body = Buffer.alloc(3_000_000, "durable ");
  const response = await fetch(`${server.url}/r2/a/large.bin`, {
    method: "PUT",
    headers: { Authorization: `Bearer ${server.apiKey}` },
    body,
  });
  expect(response.status).toBe(201);
  const page = await open(objectPage("a/large.bin"));

  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download" }).click(),
  ]);
  const path = `${data}/large.bin`;
  await download.saveAs(path);

  expect(download.suggestedFilename()).toBe("large.bin");
  expect(new URL(download.url()).searchParams.has("signature")).toBe(true);
  expect((await readFile(path)).equals(body)).toBe(true);
  expect(await client.call("headObject", { key: "a/large.bin" })).toMatchObject({ size: body.length });
});

keyless(title("downloads where the server has no key to sign with"), async ({ open, server, data }) => {
  const token = tokenOf([{ objects: [""], actions: ["objects.read", "objects.write"] }]);
  await using client = new DurableStream({ url: server.url, token });
  const body = Buffer.alloc(3_000_000, "durable ");
  await client.objects.put("a/large.bin", body);
  const page = await open(objectPage("a/large.bin"), { token });

  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download" }).click(),
  ]);
  const path = `${data}/large.bin`;
  await download.saveAs(path);

  expect(download.suggestedFilename()).toBe("large.bin");
  expect(download.url()).toMatch(/^blob:/);
  expect((await readFile(path)).equals(body)).toBe(true);
});

inBrowser(title("copies the key"), async ({ open, connect, browser, server }) => {
  const client = await connect();
  await put(client, ["a/one"]);
  await browser.grantPermissions(["clipboard-read", "clipboard-write"], { origin: server.url });
  const page = await open(objectPage("a/one"));

  await page.getByRole("button", { name: "Copy the key" }).click();
  await page.getByText("Copied.").waitFor();

  expect(await page.evaluate<string>("navigator.clipboard.readText()")).toBe("a/one");
});

inBrowser(title("deletes one, and those that are selected, when asked"), async ({ open, connect }) => {
  const client = await connect();
  await put(client, ["a/one", "a/two", "a/three", "a/four"]);
  const page = await open(objectPage("a/one"));
  await page.getByRole("button", { name: "Delete…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  expect(await keysOf(client)).toContain("a/one");

  await page.getByRole("button", { name: "Delete…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("link", { name: "Back to the folder" }).click();
  await page.getByLabel("Select two").check();
  await page.getByLabel("Select three").check();
  await page.getByRole("button", { name: "Delete selected…" }).click();
  await page.getByRole("dialog").getByText("a/two").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();

  await expect.poll(() => names(page)).toEqual(["four"]);
  expect(await keysOf(client)).toEqual(["a/four"]);
});

inBrowser(title("says that an object is gone, at its page and at its download"), async ({ open, connect }) => {
  const client = await connect();
  await put(client, ["one"]);
  const page = await open(objectPage("one"));
  await page.getByRole("region", { name: "Preview" }).getByText("one", { exact: true }).waitFor();
  await client.call("deleteObject", { key: "one" });

  await page.getByRole("button", { name: "Download" }).click();
  await page.getByRole("alert").filter({ hasText: "NotFound" }).waitFor();
  expect(page.url()).toContain(objectPage("one"));
  await page.reload();

  await page.getByRole("alert").filter({ hasText: "NotFound" }).waitFor();
});

inBrowser(title("says in place what a token may not do with objects, and does the rest"), async ({ open, connect }) => {
  const client = await connect();
  await put(client, ["mine/one", "others/two"]);
  const token = tokenOf([{ objects: ["mine/"], actions: ["objects.read"] }]);
  const page = await open("#/objects", { token });
  await page.getByRole("alert").filter({ hasText: "“objects.read”" }).waitFor();

  await page.getByLabel("Name begins with").fill("mine/");
  await expect.poll(() => names(page)).toEqual(["mine/one"]);
  await page.getByRole("link", { name: "mine/one" }).click();
  await page.getByText("mine/one").last().waitFor();
  await page.getByRole("button", { name: "Delete…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("alert").filter({ hasText: "“objects.write” on mine/one" }).waitFor();

  expect(await keysOf(client)).toEqual(["mine/one", "others/two"]);
});
