/** Uploads in the console: through a proxy that a test can hold, so that each is seen half-way. */
import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";

import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";

import { LIMITS } from "../../../../rpc/index.ts";
import type { Client } from "../../server/client.ts";
import { Proxy } from "../../server/proxy.ts";
import { inBrowser, title, tokenOf } from "../console.ts";

/** Seven parts, the last one short. */
const LARGE = randomBytes(5_000_000);
const PART_BYTES = LIMITS.objectBodyBytes;

type Given = { name: string; mimeType: string; buffer: Buffer };

function file(name: string, content: string | Buffer): Given {
  return { name, mimeType: "text/plain", buffer: Buffer.from(content) };
}

function choose(page: Page, files: Given | Given[]): Promise<void> {
  return page.getByLabel("Upload files here").setInputFiles(files);
}

const upload = (page: Page, name: string) =>
  page.getByRole("list", { name: "Uploads" }).getByRole("listitem").filter({ hasText: name });

async function progressOf(row: Locator): Promise<number> {
  return Number(await row.getByRole("progressbar").getAttribute("value"));
}

async function textOf(client: Client, key: string): Promise<string> {
  return (await client.call("getObject", { key })).data;
}

const NOT_FOUND = -32_003;

async function isThere(client: Client, key: string): Promise<boolean> {
  const { error } = await client.request("headObject", { key });
  if (error !== undefined && error.code !== NOT_FOUND) {
    throw new Error(error.message);
  }
  return error === undefined;
}

/** Holds what the clients of a proxy send, once so many bytes have gone through: of the connections that there are now. */
class Hold {
  readonly #sockets: readonly Socket[];
  #left = Number.POSITIVE_INFINITY;

  constructor(proxy: Proxy) {
    this.#sockets = proxy.connections.map(({ near }) => near);
    for (const socket of this.#sockets) {
      socket.on("data", (chunk: Buffer) => {
        this.#left -= chunk.length;
        if (this.#left < 0) {
          socket.pause();
        }
      });
    }
  }

  /** Lets so many bytes more through, and then none. */
  after(bytes: number): void {
    this.#left = bytes;
    for (const socket of this.#sockets) {
      socket.resume();
    }
  }

  /** Whether there is something that it holds. */
  get isHolding(): boolean {
    return this.#left < 0;
  }

  release(): void {
    this.after(Number.POSITIVE_INFINITY);
  }
}

inBrowser(title("stores chosen files in the folder, with their types"), async ({ open, connect }) => {
  const client = await connect();
  const page = await open("#/objects/folder/a%2F");

  await choose(page, [file("one.txt", "tea"), file("two.txt", "milk"), file("empty.txt", "")]);
  await expect.poll(() => page.getByText("Stored.", { exact: true }).count()).toBe(3);

  expect(await client.call("headObject", { key: "a/one.txt" })).toMatchObject({ contentType: "text/plain", size: 3 });
  expect(await textOf(client, "a/two.txt")).toBe("milk");
  expect(await textOf(client, "a/empty.txt")).toBe("");
  await expect.poll(() => page.getByRole("rowheader").allInnerTexts()).toEqual(["empty.txt", "one.txt", "two.txt"]);
  await page.getByRole("button", { name: "Clear what is done" }).click();
  expect(await page.getByRole("list", { name: "Uploads" }).count()).toBe(0);
});

inBrowser(title("stores dropped files"), async ({ open, connect }) => {
  const client = await connect();
  const page = await open("#/objects");

  const dropped = await page.evaluateHandle(`(() => {
    const given = new DataTransfer();
    given.items.add(new File(["tea"], "dropped.txt", { type: "text/plain" }));
    return given;
  })()`);
  await page.locator(".drop").dispatchEvent("drop", { dataTransfer: dropped });
  await page.getByText("Stored.", { exact: true }).waitFor();

  expect(await textOf(client, "dropped.txt")).toBe("tea");
});

inBrowser(title("asks before it overwrites, and again when somebody else was faster"), async ({ open, connect }) => {
  const client = await connect();
  await client.call("putObject", { key: "one.txt", data: "old" });
  const page = await open("#/objects");

  await choose(page, file("one.txt", "new"));
  await page.getByText("There is an object of this name already.").waitFor();
  expect(await textOf(client, "one.txt")).toBe("old");
  await client.call("putObject", { key: "one.txt", data: "theirs" });
  await page.getByRole("button", { name: "Overwrite" }).click();
  await page.getByText("Somebody has put an object of this name meanwhile.").waitFor();
  expect(await textOf(client, "one.txt")).toBe("theirs");
  await page.getByRole("button", { name: "Overwrite" }).click();
  await page.getByText("Stored.", { exact: true }).waitFor();

  expect(await textOf(client, "one.txt")).toBe("new");
});

inBrowser(title("overwrites nothing when that is cancelled"), async ({ open, connect }) => {
  const client = await connect();
  await client.call("putObject", { key: "one.txt", data: "old" });
  const page = await open("#/objects");

  await choose(page, file("one.txt", "new"));
  await page.getByRole("button", { name: "Cancel one.txt" }).click();
  await page.getByText("Cancelled.").waitFor();

  expect(await textOf(client, "one.txt")).toBe("old");
});

inBrowser(title("finds at the end that somebody has put the name meanwhile"), async ({ open, connect, server }) => {
  await using proxy = await Proxy.to(server.url);
  const client = await connect();
  const page = await open("#/objects", { at: proxy.url });
  const hold = new Hold(proxy);
  hold.after(3_000_000);

  await choose(page, file("large.bin", LARGE));
  await expect.poll(() => progressOf(upload(page, "large.bin"))).toBeGreaterThan(0);
  await client.call("putObject", { key: "large.bin", data: "theirs" });
  hold.release();
  await page.getByText("Somebody has put an object of this name meanwhile.").waitFor();

  expect(await textOf(client, "large.bin")).toBe("theirs");
});

inBrowser(title("shows nothing of a large upload as stored before it is"), async ({ open, server }) => {
  await using proxy = await Proxy.to(server.url);
  const page = await open("#/objects", { at: proxy.url });
  const hold = new Hold(proxy);
  // Half of the first part, which is a third longer in base64.
  hold.after(500_000);
  const row = upload(page, "large.bin");

  await choose(page, file("large.bin", LARGE));
  await expect.poll(() => hold.isHolding).toBe(true);
  expect(await progressOf(row)).toBe(0);
  // The rest of it, the second part and half of the third.
  hold.after(2_000_000);
  await expect.poll(() => hold.isHolding).toBe(true);
  await expect.poll(() => progressOf(row)).toBe(2 * PART_BYTES);
  hold.release();

  await row.getByText("Stored.", { exact: true }).waitFor();
});

inBrowser(title("shows how far a large upload is, also after another view"), async ({ open, connect, server }) => {
  await using proxy = await Proxy.to(server.url);
  const client = await connect();
  const page = await open("#/objects", { at: proxy.url });
  const hold = new Hold(proxy);
  hold.after(3_000_000);
  const row = upload(page, "large.bin");

  await choose(page, file("large.bin", LARGE));
  await expect.poll(() => progressOf(row)).toBeGreaterThan(0);
  const first = await progressOf(row);
  await page.getByRole("link", { name: "Streams" }).first().click();
  await page.getByRole("heading", { name: "Streams" }).waitFor();
  hold.after(2_000_000);
  await page.getByRole("navigation", { name: "Sections" }).getByRole("link", { name: "Objects" }).click();
  await expect.poll(() => progressOf(row)).toBeGreaterThan(first);
  expect(await progressOf(row)).toBeLessThan(LARGE.length);
  expect(await isThere(client, "large.bin")).toBe(false);
  hold.release();
  await row.getByText("Stored.", { exact: true }).waitFor();

  const stored = await fetch(`${server.url}/r2/large.bin`, { headers: { Authorization: `Bearer ${server.apiKey}` } });
  expect(sha256(Buffer.from(await stored.arrayBuffer()))).toBe(sha256(LARGE));
});

inBrowser(title("cancels a large upload half-way, and begins it again"), async ({ open, connect, server }) => {
  await using proxy = await Proxy.to(server.url);
  const client = await connect();
  const page = await open("#/objects", { at: proxy.url });
  const hold = new Hold(proxy);
  hold.after(3_000_000);
  const row = upload(page, "large.bin");
  await choose(page, file("large.bin", LARGE));
  await expect.poll(() => progressOf(row)).toBeGreaterThan(0);

  await row.getByRole("button", { name: "Cancel" }).click();
  await row.getByText("Cancelled.").waitFor();
  hold.release();
  expect(await row.getByRole("progressbar").count()).toBe(0);
  await choose(page, file("after.txt", "x"));
  await upload(page, "after.txt").getByText("Stored.", { exact: true }).waitFor();
  expect(await isThere(client, "large.bin")).toBe(false);
  await row.getByRole("button", { name: "Try large.bin again" }).click();
  await row.getByText("Stored.", { exact: true }).waitFor();

  expect(await client.call("headObject", { key: "large.bin" })).toMatchObject({ size: LARGE.length });
});

inBrowser(title("goes on with an upload when a killed server is back"), async ({ open, connect, server }) => {
  await using proxy = await Proxy.to(server.url);
  const page = await open("#/objects", { at: proxy.url });
  const hold = new Hold(proxy);
  hold.after(3_000_000);
  const row = upload(page, "large.bin");
  await choose(page, file("large.bin", LARGE));
  await expect.poll(() => progressOf(row)).toBeGreaterThan(0);
  const before = await progressOf(row);

  await server.kill9();
  await row.getByText("The connection is lost; goes on when it is back.").waitFor();
  expect(await progressOf(row)).toBeGreaterThanOrEqual(before);
  await server.start();
  await row.getByText("Stored.", { exact: true }).waitFor();

  const client = await connect();
  expect(await client.call("headObject", { key: "large.bin" })).toMatchObject({ size: LARGE.length });
  const stored = await fetch(`${server.url}/r2/large.bin`, { headers: { Authorization: `Bearer ${server.apiKey}` } });
  expect(sha256(Buffer.from(await stored.arrayBuffer()))).toBe(sha256(LARGE));
});

inBrowser(title("says that a name gives no key"), async ({ open, connect }) => {
  const client = await connect();
  const page = await open("#/objects/folder/a%2F%2F");

  await choose(page, file("one.txt", "tea"));
  await page.getByRole("alert").filter({ hasText: "no segment that is empty" }).waitFor();

  expect((await client.call("listObjects", {})).objects).toEqual([]);
});

inBrowser(title("shows hostile names of files as text"), async ({ open, connect }) => {
  const client = await connect();
  const page = await open("#/objects");
  const name = "<img src=x onerror=alert(1)>\u202etxt";

  await choose(page, file(name, "tea"));
  await page.getByText("Stored.", { exact: true }).waitFor();

  expect(await page.getByRole("listitem").innerText()).toContain(String.raw`<img src=x onerror=alert(1)>\u202etxt`);
  expect(await page.locator("main img").count()).toBe(0);
  expect(await textOf(client, name)).toBe("tea");
});

inBrowser(title("says that a token may not write"), async ({ open, connect }) => {
  const client = await connect();
  const page = await open("#/objects/folder/a%2F", { token: tokenOf([{ objects: [""], actions: ["objects.read"] }]) });

  await choose(page, file("one.txt", "tea"));
  await page.getByRole("alert").filter({ hasText: "“objects.write” on a/one.txt" }).waitFor();

  expect(await isThere(client, "a/one.txt")).toBe(false);
});

inBrowser(title("asks before it overwrites also for a token that may not read"), async ({ open, connect }) => {
  const client = await connect();
  const { etag } = await client.call("putObject", { key: "a/one.txt", data: "old" });
  const page = await open("#/objects/folder/a%2F", { token: tokenOf([{ objects: [""], actions: ["objects.write"] }]) });

  await choose(page, [file("two.txt", "milk"), file("one.txt", "tea")]);
  await page.getByText(`Its etag is ${etag}.`).waitFor();
  expect(await textOf(client, "a/two.txt")).toBe("milk");
  expect(await textOf(client, "a/one.txt")).toBe("old");
  await page.getByRole("button", { name: "Overwrite" }).click();
  await expect.poll(() => page.getByText("Stored.", { exact: true }).count()).toBe(2);

  expect(await textOf(client, "a/one.txt")).toBe("tea");
});

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
