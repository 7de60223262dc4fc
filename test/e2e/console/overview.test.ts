/** What a stream holds, its config, and how it is emptied and deleted. */
import type { Page } from "playwright-core";
import { expect } from "vitest";

import { inBrowser, title } from "./console.ts";

/** What is shown of a fact. */
function fact(page: Page, label: string): Promise<string> {
  return page
    .locator(".facts > div")
    .filter({ has: page.locator("dt", { hasText: new RegExp(`^${label}$`) }) })
    .locator("dd")
    .innerText();
}

inBrowser(title("shows what a stream holds, and follows it"), async ({ open, connect }) => {
  const client = await connect();
  await client.call("publish", { stream: "orders", data: 1 });
  await client.call("putState", { stream: "orders", state: 1 });

  const page = await open("#/streams/orders");
  await page.getByRole("heading", { name: "Contents" }).waitFor();
  expect(await fact(page, "Messages")).toBe("1");
  expect(await fact(page, "State revision")).toBe("1");
  const messages = Array.from({ length: 500 }, (_, data) => ({ data }));
  await client.call("publishBatch", { stream: "orders", messages });
  await client.call("publishBatch", { stream: "orders", messages });

  await expect.poll(() => fact(page, "Last sequence")).toBe("1,001");
  expect(await fact(page, "First sequence")).toBe("1");
  expect(await fact(page, "Size")).toMatch(/kB/);
  expect(await fact(page, "Age of the first")).toMatch(/\d (ms|s)/);
  await expect.poll(() => page.locator(".plot-series").innerText()).toMatch(/^now [\d.,]+ messages\/s$/);
});

inBrowser(
  title("changes the config within the contract's limits, and only what was edited"),
  async ({ open, connect }) => {
    const client = await connect();
    await client.call("configureStream", { stream: "orders", maxMessages: 500 });

    const page = await open("#/streams/orders");
    const age = page.getByLabel("Keep messages for");
    const save = page.getByRole("button", { name: "Save" });
    await age.fill("4000 d");
    await page.getByText(/expected <=315360000000/i).waitFor();
    expect(await save.isDisabled()).toBe(true);
    await age.fill("soon");
    await page.getByText("That is no quantity.").waitFor();
    await age.fill("1.5 h");
    await page.getByLabel("When it is full").selectOption("new");
    // Somebody else changes what was not edited here.
    await client.call("configureStream", { stream: "orders", maxBytes: 5_000_000 });
    await save.click();
    await page.getByText("Saved.").waitFor();

    expect(await client.call("getStreamInfo", { stream: "orders" })).toMatchObject({
      config: {
        maxAgeMs: 5_400_000,
        maxMessages: 500,
        maxBytes: 5_000_000,
        discard: "new",
        duplicateWindowMs: 120_000,
      },
    });
    await expect.poll(() => age.inputValue()).toBe("90 min");
    expect(await page.getByLabel("Most bytes").inputValue()).toBe("5 MB");
    await page.getByLabel("Most messages").fill("");
    await save.click();
    await page.getByText("Saved.").waitFor();
    const { config } = await client.call("getStreamInfo", { stream: "orders" });
    expect(config).not.toHaveProperty("maxMessages");
  },
);

inBrowser(title("trims and deletes, when the stream's name was typed"), async ({ open, connect }) => {
  const client = await connect();
  await client.call("publishBatch", { stream: "orders", messages: [{ data: 1 }, { data: 2 }, { data: 3 }] });

  const page = await open("#/streams/orders");
  await page.getByLabel("Trim up to and with the sequence").fill("9");
  await page.getByText("There is no such message yet.").waitFor();
  await page.getByLabel("Trim up to and with the sequence").fill("2");
  await page.getByRole("button", { name: "Trim…" }).click();
  const trim = page.getByRole("dialog", { name: "Trim the stream" }).getByRole("button", { name: "Trim" });
  expect(await trim.isDisabled()).toBe(true);
  await page.getByLabel("Type orders to go on").fill("order");
  await page.keyboard.press("Enter");
  expect(await client.call("getStreamInfo", { stream: "orders" })).toMatchObject({ messages: 3 });
  await page.getByLabel("Type orders to go on").fill("orders");
  await trim.click();
  await page.getByText("Everything up to 2 is deleted.").waitFor();
  expect(await client.call("getStreamInfo", { stream: "orders" })).toMatchObject({ messages: 1, firstSequence: 3 });

  await page.getByRole("button", { name: "Delete the stream…" }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Delete the stream…" }).click();
  await page.getByLabel("Type orders to go on").fill("orders");
  await page.keyboard.press("Enter");
  await page.getByText("There is no stream of this name.").waitFor();

  await expect(client.call("getStreamInfo", { stream: "orders" })).rejects.toThrow();
});

inBrowser(title("does not delete another stream that has taken the name meanwhile"), async ({ open, connect }) => {
  const client = await connect();
  await client.call("publish", { stream: "orders", data: 1 });

  const page = await open("#/streams/orders");
  await page.getByRole("button", { name: "Delete the stream…" }).click();
  await page.getByLabel("Type orders to go on").fill("orders");
  await client.call("deleteStream", { stream: "orders" });
  const { epoch } = await client.call("publish", { stream: "orders", data: 2 });
  // The view behind the dialog follows what has the name now.
  await expect.poll(() => fact(page, "Created")).toContain(epoch);
  await page.getByRole("button", { name: "Delete", exact: true }).click();

  await page.getByRole("alert").filter({ hasText: "EpochChanged" }).waitFor();
  expect(await client.call("getStreamInfo", { stream: "orders" })).toMatchObject({ messages: 1 });
});
