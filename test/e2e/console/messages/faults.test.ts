/** The messages view when the stream or the server goes, and when a message holds what a page must not run or break on. */
import type { Page } from "playwright-core";
import { expect } from "vitest";

import { ErrorCode } from "../../../../rpc/index.ts";

import { inBrowser, title } from "../console.ts";
import { counted, drawn, fill, untilShown } from "./tail-page.ts";

inBrowser(title("goes on without a gap or a repeat after the server was killed"), async ({ open, server, connect }) => {
  const stream = "orders";
  await fill(await connect(), stream, 10);
  const page = await open("#/streams/orders/messages");
  await untilShown(page, 10);

  let next = 11;
  for (let round = 0; round < 2; round += 1) {
    const client = await connect();
    // What was stored when it was killed is known by the stream alone.
    const publishing = fill(client, stream, 20_000, next).catch(() => undefined);
    const before = await counted(page, "received");
    await expect.poll(() => counted(page, "received")).toBeGreaterThan(before);
    await server.kill9();
    await publishing;
    await server.start();
    const { lastSequence } = await (await connect()).call("getStreamInfo", { stream });
    next = lastSequence + 1;
    await untilShown(page, lastSequence);
    expect(await counted(page, "received")).toBe(lastSequence - 10);
  }
  await fill(await connect(), stream, 5, next);

  await untilShown(page, next + 4);
  expect(await counted(page, "received")).toBe(next + 4 - 10);
  await page.getByText("Live").waitFor();
});

inBrowser(title("says that a stream was deleted, makes none, and goes on with the next"), async ({ open, connect }) => {
  const stream = "orders";
  const client = await connect();
  await fill(client, stream, 3);
  const page = await open("#/streams/orders/messages");
  const notFound = await countNotFound(page);
  await untilShown(page, 3);

  await client.call("deleteStream", { stream });
  await page.getByText("There is no stream of this name any more").waitFor();
  await page.getByText("Ended", { exact: true }).waitFor();
  await lookAgain(page, notFound);
  await page.getByText("There is no stream of this name any more").waitFor();
  await expect(client.call("getStreamInfo", { stream })).rejects.toMatchObject({ code: ErrorCode.NotFound });
  await client.call("publish", { stream, data: "of the next life" });
  await page.getByRole("button", { name: "Look for it again" }).click();

  await page.getByText("The stream was deleted and made again").waitFor();
  await page.getByText("of the next life").waitFor();
  expect(await drawn(page)).toEqual([1, 2, 3, 1]);
  await client.call("publish", { stream, data: "and more" });
  await page.getByText("and more").waitFor();
});

inBrowser(title("goes on with a stream that was made again at once"), async ({ open, connect }) => {
  const stream = "orders";
  const client = await connect();
  await fill(client, stream, 3);
  const page = await open("#/streams/orders/messages");
  await untilShown(page, 3);

  const deleted = client.call("deleteStream", { stream });
  await Promise.all([deleted, fill(client, stream, 6)]);

  await page.getByText("The stream was deleted and made again").waitFor();
  await page.locator('.message[data-sequence="6"]').waitFor();
  expect(await drawn(page)).toEqual([1, 2, 3, 1, 2, 3, 4, 5, 6]);
});

inBrowser(title("does not make a stream that there is not"), async ({ open, connect }) => {
  const client = await connect();
  const page = await open("#/streams/nowhere/messages");
  const notFound = await countNotFound(page);

  await page.getByText("There is no stream of this name.").waitFor();
  await lookAgain(page, notFound);
  await page.getByText("There is no stream of this name.").waitFor();
  const made = client.call("getStreamInfo", { stream: "nowhere" });
  await expect(made).rejects.toMatchObject({ code: ErrorCode.NotFound });
  await fill(client, "nowhere", 1);
  await page.getByRole("button", { name: "Look again" }).click();

  await untilShown(page, 1);
});

inBrowser(title("shows messages that are gone as what they are"), async ({ open, connect }) => {
  const stream = "orders";
  const client = await connect();
  await fill(client, stream, 1_000);
  await client.call("deleteMessages", { stream, sequences: [995, 997, 998] });
  await client.call("deleteMessages", { stream, through: 600 });
  const page = await open("#/streams/orders/messages");

  await page.getByText("Message 995 is no longer in the stream.").waitFor();
  await page.getByText("Messages 997 to 998 are no longer in the stream (2).").waitFor();
  await page.getByRole("button", { name: "First" }).click();
  await untilShown(page, 601);
  await page.getByLabel("Go to").fill("300");
  await page.getByLabel("Go to").press("Enter");
  // They are one with those before, which are read because somebody looks there.
  await page.getByText("Messages 1 to 600 are no longer in the stream (600).").waitFor();
});

inBrowser(title("shows whatever a message holds as text"), async ({ open, connect }) => {
  const stream = "orders";
  const client = await connect();
  const markup = `<img src=x onerror="document.title='ran'"><script>document.title='ran'</script></span>`;
  const nested = (levels: number): unknown => (levels === 0 ? "bottom" : [nested(levels - 1)]);
  await client.call("publish", { stream, data: markup, headers: { [markup.slice(0, 60)]: markup } });
  await client.call("publish", { stream, data: { [markup]: [markup] } });
  await client.call("publish", { stream, data: "a\u202eb\u0000c\u2066d\u001b[31m" });
  // As text: an object literal would set the prototype.
  client.send(
    `{"jsonrpc":"2.0","method":"publish","params":{"stream":"${stream}","data":{"__proto__":{"polluted":1},"constructor":"c"}}}`,
  );
  await expect.poll(async () => (await client.call("getStreamInfo", { stream })).lastSequence).toBe(4);
  await client.call("publish", { stream, data: nested(29) });
  await client.call("publish", {
    stream,
    data: { long: "y".repeat(200_000), z: Array.from({ length: 20_000 }, () => 0) },
  });
  await client.call("publish", { stream, data: "\u{1F600}".repeat(2_000) });
  const page = await open("#/streams/orders/messages");
  await untilShown(page, 7);
  await page.keyboard.press("ArrowUp");
  for (const sequence of [1, 2, 3, 4, 5, 6, 7]) {
    const row = page.locator(`[data-sequence="${sequence}"]`);
    await row.locator(".message-line").click();
    await row.locator(".message-detail").waitFor();
    await row.getByRole("button", { name: "Text", exact: true }).click();
    await row.locator("pre").waitFor();
    await row.getByRole("button", { name: "Tree", exact: true }).click();
    if (sequence === 6) {
      expect((await row.innerText()).length).toBeLessThan(10_000);
      await row.getByRole("button", { name: "all 200002 characters" }).click();
      await expect.poll(async () => (await row.innerText()).length).toBeGreaterThan(200_000);
    }
    if (sequence === 5) {
      await page.getByLabel("Find").fill("bottom");
      await row.locator(".json-string mark").waitFor();
      await page.getByLabel("Find").fill("");
    }
    if (sequence === 3) {
      expect(await row.locator(".message-line").innerText()).toContain("a\\u202eb\\u0000c\\u2066d\\u001b[31m");
    }
    if (sequence === 4) {
      expect(await row.locator(".json").innerText()).toContain('"__proto__"');
    }
    await row.locator(".message-line").click();
  }

  expect(await page.title()).not.toContain("ran");
  expect(await page.evaluate("document.querySelector('main').querySelectorAll('img, script').length")).toBe(0);
  expect(await page.evaluate("({}).polluted")).toBeUndefined();
});

/** Counts how often the page has been answered that something is not there; loads it anew for that. */
async function countNotFound(page: Page): Promise<() => number> {
  let answers = 0;
  page.on("websocket", (socket) =>
    socket.on("framereceived", ({ payload }) => {
      answers += String(payload).includes(`"code":${ErrorCode.NotFound}`) ? 1 : 0;
    }),
  );
  await page.reload();
  return () => answers;
}

/** Has the page look for its stream, and waits until it is answered that there is none: what it shows is the same before. */
async function lookAgain(page: Page, notFound: () => number): Promise<void> {
  const before = notFound();
  await page.getByRole("button", { name: /^Look (for it )?again$/ }).click();
  await expect.poll(notFound).toBeGreaterThan(before);
}
