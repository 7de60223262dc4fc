/** Consumers in the console: what is shown of them, what each action does as another client sees it, and what others do. */
import type { Page } from "playwright-core";
import { expect } from "vitest";

import type { Client } from "../../server/client.ts";
import { inBrowser, title, tokenOf } from "../console.ts";

const stream = "orders";

/** Publishes messages with the data 1 to `count`. */
async function publish(client: Client, count: number, subject = "orders.eu"): Promise<void> {
  const messages = Array.from({ length: count }, (_, index) => ({ data: index + 1, subject }));
  await client.call("publishBatch", { stream, messages });
}

/** What the list of facts of a page says under a label. */
function fact(page: Page, label: string): Promise<string> {
  return page
    .locator(".facts > div")
    .filter({ has: page.getByText(label, { exact: true }) })
    .locator("dd")
    .innerText();
}

const consumerPage = (consumer: string) => `#/streams/${stream}/consumers/${consumer}`;

inBrowser(title("lists the consumers of a stream with how far each is"), async ({ open, connect }) => {
  const client = await connect();
  await publish(client, 5);
  await client.call("createConsumer", { stream, consumer: "packers", filter: "orders.>" });
  await client.call("createConsumer", { stream, consumer: "none", filter: "other" });
  const { lease } = await client.call("fetchMessages", { stream, consumer: "packers", limit: 3 });
  await client.call("ackMessages", { stream, consumer: "packers", lease, sequences: [1, 2] });
  await client.call("pauseConsumer", { stream, consumer: "packers", paused: true });

  const page = await open(`#/streams/${stream}/consumers`);

  const row = page.getByRole("row", { name: /packers/ });
  await row.waitFor();
  const cells = await row.locator("th, td").allInnerTexts();
  expect(cells.map((text) => text.trim())).toEqual([
    expect.stringMatching(/packers\s*paused/),
    "orders.>",
    "2",
    "1",
    "0",
    "2",
    "3",
    expect.stringMatching(/\d+ (?:ms|s)/),
    "0",
  ]);
  expect(await page.getByRole("row", { name: /none/ }).locator("td").allInnerTexts()).toEqual([
    "other",
    "0",
    "0",
    "0",
    "0",
    "0",
    "none",
    "0",
  ]);
});

inBrowser(title("creates a consumer with every option, and says in place what is wrong"), async ({ open, connect }) => {
  const client = await connect();
  await publish(client, 5);
  const page = await open(`#/streams/${stream}/consumers`);
  await page.getByRole("link", { name: "Create a consumer" }).click();
  await page.getByLabel("Name", { exact: true }).fill("no such name");
  await page.getByLabel("Begin with").selectOption("sequence");
  await page.getByLabel("Sequence", { exact: true }).fill("x");
  await page.getByLabel("Filter").fill("orders..eu");
  await page.getByLabel("Ack wait, ms").fill("99");
  await page.getByLabel("Most deliveries").fill("101");
  await page.getByLabel("Most in flight").fill("0");
  await page.getByLabel("Backoff, ms").fill("-1");

  await page.getByRole("button", { name: "Create", exact: true }).click();
  const labels = ["Name", "Sequence", "Filter", "Ack wait, ms", "Most deliveries", "Most in flight", "Backoff, ms"];
  const invalid = labels.map((label) => page.getByLabel(label, { exact: true }).getAttribute("aria-invalid"));
  expect(await Promise.all(invalid)).toEqual(labels.map(() => "true"));
  expect((await client.call("listConsumers", { stream })).consumers).toEqual([]);

  await page.getByLabel("Name", { exact: true }).fill("packers");
  await page.getByLabel("Sequence", { exact: true }).fill("3");
  await page.getByLabel("Filter").fill("orders.>");
  await page.getByLabel("Ack wait, ms").fill("5000");
  await page.getByLabel("Most deliveries").fill("3");
  await page.getByLabel("Most in flight").fill("7");
  await page.getByLabel("Backoff, ms").fill("10, 20");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("heading", { name: "packers" }).waitFor();

  expect((await client.call("getConsumer", { stream, consumer: "packers" })).config).toEqual({
    from: { sequence: 3 },
    filter: "orders.>",
    ackWaitMs: 5_000,
    maxDeliver: 3,
    maxInFlight: 7,
    backoffMs: [10, 20],
  });
});

inBrowser(title("says that a consumer of the same name has other options"), async ({ open, connect }) => {
  const client = await connect();
  await publish(client, 1);
  await client.call("createConsumer", { stream, consumer: "packers", maxDeliver: 9 });
  const page = await open(`#/streams/${stream}/consumers/+`);

  await page.getByLabel("Name", { exact: true }).fill("packers");
  await page.getByRole("button", { name: "Create", exact: true }).click();

  await page.getByRole("alert").filter({ hasText: "Conflict" }).waitFor();
});

inBrowser(title("follows a consumer's figures, and draws them"), async ({ open, connect }) => {
  const client = await connect();
  await publish(client, 5);
  await client.call("createConsumer", { stream, consumer: "packers" });
  const page = await open(consumerPage("packers"));
  await expect.poll(() => fact(page, "Lag")).toMatch(/^5\b/);

  const { lease } = await client.call("fetchMessages", { stream, consumer: "packers", limit: 2 });
  await expect.poll(() => fact(page, "In flight")).toMatch(/^2\b/);
  await page.getByText("in flight 2").waitFor();
  await client.call("ackMessages", { stream, consumer: "packers", lease, sequences: [1, 2] });

  await expect.poll(() => fact(page, "Acked up to")).toMatch(/^2\b/);
  await page.getByText("lag 3").waitFor();
  const drawn = await page.evaluate<number>(`(() => {
    const canvas = document.querySelector(".plot canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
  })()`);
  expect(drawn).toBeGreaterThan(2);
});

inBrowser(title("pauses and resumes"), async ({ open, connect }) => {
  const client = await connect();
  await publish(client, 1);
  await client.call("createConsumer", { stream, consumer: "packers" });
  const page = await open(consumerPage("packers"));

  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Resume" }).waitFor();
  expect(await client.call("getConsumer", { stream, consumer: "packers" })).toMatchObject({ paused: true });
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Pause" }).waitFor();

  expect(await client.call("getConsumer", { stream, consumer: "packers" })).toMatchObject({ paused: false });
});

inBrowser(
  title("saves only what was changed, and tells of a change by others meanwhile"),
  async ({ open, connect }) => {
    const client = await connect();
    await publish(client, 1);
    await client.call("createConsumer", { stream, consumer: "packers", filter: "orders.>" });
    const page = await open(consumerPage("packers"));
    await page.getByLabel("Most deliveries").fill("1000");
    await page.getByRole("button", { name: "Save" }).click();
    expect(await page.getByLabel("Most deliveries").getAttribute("aria-invalid")).toBe("true");
    await page.getByLabel("Most deliveries").fill("9");
    await page.getByLabel("Filter").fill("");

    await client.call("updateConsumer", { stream, consumer: "packers", ackWaitMs: 7_000 });
    await page.getByText("changed meanwhile").waitFor();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved.").waitFor();

    const { config } = await client.call("getConsumer", { stream, consumer: "packers" });
    expect(config).toEqual({
      from: "first",
      ackWaitMs: 7_000,
      maxDeliver: 9,
      maxInFlight: 1_000,
      backoffMs: [1_000, 5_000, 30_000, 120_000],
    });
    expect(await page.getByLabel("Ack wait, ms").inputValue()).toBe("7000");
    expect(await page.getByText("changed meanwhile").isVisible()).toBe(false);
  },
);

const seeks: [kind: string, value: [label: string, text: string] | undefined, pending: number][] = [
  ["first", undefined, 5],
  ["new", undefined, 0],
  ["sequence", ["Sequence", "4"], 2],
  ["last", ["How many", "3"], 3],
  ["time", ["Time", "2100-01-01T00:00:00"], 0],
];
inBrowser.for(seeks)(title("seeks: %s"), async ([kind, value, pending], { open, connect }) => {
  const client = await connect();
  await publish(client, 5);
  await client.call("createConsumer", { stream, consumer: "packers", from: { sequence: 2 } });
  const page = await open(consumerPage("packers"));

  await page.getByRole("button", { name: "Seek…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("delivered as if for the first time").waitFor();
  await dialog.getByLabel("Begin with").selectOption(kind);
  if (value !== undefined) {
    const field = dialog.getByLabel(value[0], { exact: true });
    await dialog.getByRole("button", { name: "Seek" }).click();
    expect(await field.getAttribute("aria-invalid")).toBe("true");
    await field.fill(value[1]);
  }
  await dialog.getByRole("button", { name: "Seek" }).click();
  await dialog.waitFor({ state: "hidden" });

  await page.getByText("Goes on with").waitFor();
  expect(await client.call("getConsumer", { stream, consumer: "packers" })).toMatchObject({ pending });
});

inBrowser(title("says that a sequence to seek is beyond the stream"), async ({ open, connect }) => {
  const client = await connect();
  await publish(client, 5);
  await client.call("createConsumer", { stream, consumer: "packers" });
  const page = await open(consumerPage("packers"));

  await page.getByRole("button", { name: "Seek…" }).click();
  await page.getByRole("dialog").getByLabel("Begin with").selectOption("sequence");
  await page.getByRole("dialog").getByLabel("Sequence", { exact: true }).fill("99");
  await page.getByRole("dialog").getByRole("button", { name: "Seek" }).click();

  await page.getByRole("dialog").getByRole("alert").filter({ hasText: "Conflict" }).waitFor();
});

inBrowser(title("deletes a consumer when its name is typed"), async ({ open, connect }) => {
  const client = await connect();
  await publish(client, 1);
  await client.call("createConsumer", { stream, consumer: "packers" });
  const page = await open(consumerPage("packers"));

  await page.getByRole("button", { name: "Delete…" }).click();
  const button = page.getByRole("dialog").getByRole("button", { name: "Delete" });
  expect(await button.isDisabled()).toBe(true);
  await page.getByRole("dialog").getByRole("textbox").fill("packers");
  await button.click();

  await page.getByText("This stream has no consumer.").waitFor();
  expect((await client.call("listConsumers", { stream })).consumers).toEqual([]);
});

inBrowser(title("says that a consumer was deleted, or its stream made again, meanwhile"), async ({ open, connect }) => {
  const client = await connect();
  await publish(client, 5);
  await client.call("createConsumer", { stream, consumer: "packers" });
  const page = await open(consumerPage("packers"));
  await expect.poll(() => fact(page, "Lag")).toMatch(/^5\b/);

  await client.call("deleteConsumer", { stream, consumer: "packers" });
  await page.getByText("Deleted meanwhile").waitFor();
  expect(await fact(page, "Lag")).toMatch(/^5\b/);
  await client.call("deleteStream", { stream });
  await client.call("createConsumer", { stream, consumer: "packers" });

  await page.getByText("another consumer of the same name").waitFor();
  await expect.poll(() => fact(page, "Lag")).toMatch(/^0\b/);
});

inBrowser(title("says in place what a token may not do, and does the rest"), async ({ open, connect }) => {
  const client = await connect();
  await publish(client, 5);
  await client.call("createConsumer", { stream, consumer: "packers" });
  const token = tokenOf([{ streams: [stream], actions: ["consume"] }]);
  const page = await open(consumerPage("packers"), { token });
  await expect.poll(() => fact(page, "Lag")).toMatch(/^5\b/);
  expect(await fact(page, "Lag in time")).toMatch(/^–/);

  await page.getByRole("button", { name: "Pause" }).click();

  await page.getByRole("alert").filter({ hasText: "“manage” on orders" }).waitFor();
  await page.getByRole("button", { name: "Seek…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Seek" }).click();
  await page.getByRole("dialog").getByRole("alert").filter({ hasText: "“manage” on orders" }).waitFor();
  expect(await client.call("getConsumer", { stream, consumer: "packers" })).toMatchObject({
    paused: false,
    pending: 5,
  });
});
