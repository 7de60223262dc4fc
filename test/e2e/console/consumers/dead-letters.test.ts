/** Dead letters in the console, with the message beside them. */
import type { Page } from "playwright-core";
import { expect } from "vitest";

import type { Client } from "../../server/client.ts";
import { inBrowser, title, tokenOf } from "../console.ts";

const stream = "orders";
const consumer = "packers";
const place = `#/streams/${stream}/consumers/${consumer}/dead-letters`;

/** Makes dead letters of new messages with these data. */
async function bury(client: Client, data: readonly unknown[]): Promise<void> {
  await client.call("publishBatch", { stream, messages: data.map((each) => ({ data: each as string })) });
  await client.call("createConsumer", { stream, consumer });
  const { lease, messages } = await client.call("fetchMessages", { stream, consumer, limit: 500 });
  const sequences = messages.map(({ sequence }) => sequence);
  await client.call("ackMessages", { stream, consumer, lease, sequences, outcome: "term" });
}

async function deadSequences(client: Client): Promise<number[]> {
  const { deadLetters } = await client.call("getDeadLetters", { stream, consumer });
  return deadLetters.map(({ sequence }) => sequence);
}

const rowsOf = (page: Page) => page.getByRole("table", { name: "Dead letters" }).getByRole("row");
const link = (page: Page, sequence: number) =>
  page.getByRole("rowheader", { name: String(sequence), exact: true }).getByRole("link");

inBrowser(title("shows dead letters with the message beside them"), async ({ open, connect }) => {
  const client = await connect();
  await bury(client, [{ item: "tea" }, { item: "milk" }]);
  const page = await open(place);
  await link(page, 2).click();

  const beside = page.getByRole("complementary", { name: "Message 2" });
  await beside.getByText('"milk"').waitFor();
  const cells = await rowsOf(page).nth(1).locator("th, td").allInnerTexts();

  expect(cells.map((text) => text.trim())).toEqual(["", "1", "term", "1", expect.stringMatching(/^\d{4}-/)]);
  expect(page.url()).toContain("sequence=2");
});

inBrowser(title("retries one, and deletes one when asked"), async ({ open, connect }) => {
  const client = await connect();
  await bury(client, [1, 2, 3]);
  const page = await open(`${place}?sequence=2`);
  const beside = page.getByRole("complementary", { name: "Message 2" });

  await beside.getByRole("button", { name: "Retry" }).click();
  await beside.getByText("1 retried.").waitFor();
  expect(await deadSequences(client)).toEqual([1, 3]);
  expect(await client.call("getConsumer", { stream, consumer })).toMatchObject({ pending: 1 });
  await link(page, 3).click();
  await page.getByRole("complementary", { name: "Message 3" }).getByRole("button", { name: "Delete…" }).click();
  expect(await deadSequences(client)).toEqual([1, 3]);
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("Deleted.").waitFor();

  expect(await deadSequences(client)).toEqual([1]);
  await expect.poll(() => rowsOf(page).count()).toBe(2);
});

inBrowser(
  title("retries and deletes those that are selected, and says how many were gone"),
  async ({ open, connect }) => {
    const client = await connect();
    await bury(client, [1, 2, 3, 4, 5]);
    const page = await open(place);
    await page.getByLabel("Select 1").check();
    await page.getByLabel("Select 2").check();
    await page.getByText("2 selected").waitFor();

    await page.getByRole("button", { name: "Retry selected" }).click();
    await page.getByText("2 retried.").waitFor();
    expect(await deadSequences(client)).toEqual([3, 4, 5]);
    await page.getByLabel("Select 4").check();
    await page.getByLabel("Select 5").check();
    await page.getByRole("button", { name: "Delete selected…" }).click();
    await client.call("deleteDeadLetters", { stream, consumer, sequences: [5] });
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();

    await page.getByText("1 of 2 deleted: the others were gone.").waitFor();
    expect(await deadSequences(client)).toEqual([3]);
  },
);

inBrowser(title("retries all and deletes all, when asked"), async ({ open, connect }) => {
  const client = await connect();
  await bury(client, [1, 2, 3]);
  const page = await open(place);

  await page.getByRole("button", { name: "Retry all…" }).click();
  expect(await deadSequences(client)).toEqual([1, 2, 3]);
  await page.getByRole("dialog").getByRole("button", { name: "Retry all" }).click();
  await page.getByText("3 retried.").waitFor();
  expect(await deadSequences(client)).toEqual([]);
  await page.getByText("There are no dead letters.").waitFor();
  expect(await client.call("getConsumer", { stream, consumer })).toMatchObject({ pending: 3 });

  await bury(client, [4, 5]);
  await page.getByRole("button", { name: "Delete all…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("5 deleted.").waitFor();

  expect(await deadSequences(client)).toEqual([]);
});

inBrowser(title("shows a page of dead letters at a time"), async ({ open, connect }) => {
  const client = await connect();
  await bury(
    client,
    Array.from({ length: 101 }, (_, index) => index),
  );
  const page = await open(place);
  await expect.poll(() => rowsOf(page).count()).toBe(51);

  await page.getByRole("link", { name: "Next page" }).click();
  await link(page, 51).waitFor();
  await page.getByRole("link", { name: "Next page" }).click();
  await link(page, 101).waitFor();
  expect(await rowsOf(page).count()).toBe(2);
  expect(await page.getByRole("link", { name: "Next page" }).count()).toBe(0);
  await page.getByRole("link", { name: "First page" }).click();

  await link(page, 1).waitFor();
});

inBrowser(title("says that a message was deleted meanwhile"), async ({ open, connect }) => {
  const client = await connect();
  await bury(client, [1, 2]);
  const page = await open(place);
  await link(page, 1).waitFor();

  await client.call("deleteMessages", { stream, sequences: [1] });
  await page.goto(`${page.url()}?sequence=1`);

  await page.getByText("The stream no longer has this message").waitFor();
});

inBrowser(title("says that the stream is another one by now, and retries none of it"), async ({ open, connect }) => {
  const client = await connect();
  await bury(client, [1, 2]);
  const page = await open(`${place}?sequence=2`);
  await page.getByRole("button", { name: "Delete all…" }).click();

  await client.call("deleteStream", { stream });
  await bury(client, ["other"]);
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();

  await page.getByRole("dialog").getByRole("alert").filter({ hasText: "EpochChanged" }).waitFor();
  expect(await deadSequences(client)).toEqual([1]);
});

inBrowser(title("shows large and hostile messages, and reasons, as text"), async ({ open, connect }) => {
  const client = await connect();
  const hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>\u202e\u0000";
  const large = "x".repeat(250_000);
  await client.call("publish", { stream, data: { [hostile]: hostile }, headers: { a: hostile.slice(0, -1) } });
  await client.call("publish", { stream, data: large });
  await client.call("createConsumer", { stream, consumer });
  const { subscription } = await client.call("subscribe", { stream, consumer });
  const reason = hostile.slice(0, -1);
  await client.call("term", { subscription, sequences: [1, 2], reason });
  const page = await open(`${place}?sequence=1`);
  const beside = page.getByRole("complementary");
  await beside
    .getByText(String.raw`\u0000`)
    .first()
    .waitFor();

  const text = await beside.innerText();
  expect(text).toContain(String.raw`<script>alert(2)</script>\u202e\u0000`);
  expect(await page.locator("main img, main script").count()).toBe(0);
  // Nor what turns the direction of the text behind it, in the data, its names, the headers or the reasons.
  expect(await page.locator("main").innerText()).not.toContain("\u202e");
  expect(await rowsOf(page).nth(1).innerText()).toContain(String.raw`<img src=x onerror=alert(1)>`);
  await link(page, 2).click();
  await beside.getByText("all 250002 characters").waitFor();

  expect((await beside.innerText()).length).toBeLessThan(10_000);
});

inBrowser(title("says that a token may not read messages, and lists dead letters"), async ({ open, connect }) => {
  const client = await connect();
  await bury(client, [1, 2]);
  const token = tokenOf([{ streams: [stream], actions: ["consume", "manage"] }]);
  const page = await open(place, { token });
  await link(page, 2).click();

  const beside = page.getByRole("complementary", { name: "Message 2" });
  await beside.getByRole("alert").filter({ hasText: "“read” on orders" }).waitFor();
  await beside.getByRole("button", { name: "Retry" }).click();
  await beside.getByText("1 retried.").waitFor();

  expect(await deadSequences(client)).toEqual([1]);
});

inBrowser(title("says that a token may not list dead letters"), async ({ open, connect }) => {
  const client = await connect();
  await bury(client, [1]);
  const page = await open(place, { token: tokenOf([{ streams: [stream], actions: ["consume"] }]) });

  await page.getByRole("alert").filter({ hasText: "“manage” on orders" }).waitFor();
});
