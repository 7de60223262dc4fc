/** The state document: shown, edited, put in the place of what was read and of nothing else. */
import { expect } from "vitest";

import { inBrowser, title } from "./console.ts";

const EDITOR = "State, as JSON";

inBrowser(title("shows the state folded, with its revision"), async ({ open, connect }) => {
  const client = await connect();
  await client.call("putState", { stream: "orders", state: { totals: { eu: { deep: [1, "two"] } }, none: null } });

  const page = await open("#/streams/orders/state");
  await page.getByText('"totals": ').waitFor();
  expect(await page.getByText('"two"').count()).toBe(0);
  await page.getByText('"eu": ').click();
  await page.getByText('"deep": ').click();

  await page.getByText('"two"').waitFor();
  expect(await page.locator(".facts").innerText()).toMatch(/Revision\s+1\s/);
});

inBrowser(title("shows as text whatever a state holds"), async ({ open, connect }) => {
  const client = await connect();
  const hostile = {
    "<img src=x onerror=document.title='ran'>": "<script>document.title='ran'</script>",
    url: "javascript:document.title='ran'",
    reversed: "\u202eexe.txt",
    control: "a\u0000\u0007b",
    long: "x".repeat(200_000),
    __proto__: { polluted: true },
    list: Array.from({ length: 5_000 }, (_, index) => index),
  };
  await client.call("putState", { stream: "orders", state: hostile });

  const page = await open("#/streams/orders/state");
  await page.getByText("<script>document.title='ran'</script>").waitFor();
  await page.getByText(`"<img src=x onerror=document.title='ran'>": `).waitFor();
  await page.getByText('"\\u202eexe.txt"').waitFor();
  expect(await page.title()).toBe("orders · Durable Stream");
  expect(await page.locator("main img, main script, main a[href^='javascript']").count()).toBe(0);
  // No more than a page of each is there until it is asked for.
  expect((await page.locator(".json").innerText()).length).toBeLessThan(10_000);
  await page.getByRole("button", { name: "all 200002 characters" }).click();
  await page.getByRole("button", { name: "4900 more" }).click();

  await page.getByText("199: ").waitFor();
});

inBrowser(title("puts a state in the place of the one that was read"), async ({ open, connect }) => {
  const client = await connect();
  await client.call("putState", { stream: "orders", state: { n: 1 } });

  const page = await open("#/streams/orders/state");
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel(EDITOR).fill('{ "n": ');
  await page.getByText(/^This is no JSON/).waitFor();
  expect(await page.getByRole("button", { name: "Save" }).isDisabled()).toBe(true);
  await page.getByLabel(EDITOR).fill('{ "n": 2 }');
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved as revision 2.").waitFor();

  expect(await client.call("getState", { stream: "orders" })).toMatchObject({ state: { n: 2 }, revision: 2 });
});

inBrowser(
  title("tells that somebody else was first, keeps the text, and overwrites only what was shown"),
  async ({ open, connect }) => {
    const client = await connect();
    await client.call("putState", { stream: "orders", state: { n: 1 } });

    const page = await open("#/streams/orders/state");
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel(EDITOR).fill('{ "mine": 1 }');
    await client.call("putState", { stream: "orders", state: { theirs: 1 } });
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Somebody else has put a state since you began").waitFor();
    expect(await client.call("getState", { stream: "orders" })).toMatchObject({ state: { theirs: 1 } });
    expect(await page.getByLabel(EDITOR).inputValue()).toBe('{ "mine": 1 }');
    await page.getByRole("button", { name: "Show theirs" }).click();
    await page.getByText('"theirs": ').waitFor();
    await client.call("putState", { stream: "orders", state: { theirs: 2 } });
    await page.getByRole("button", { name: "Put mine over theirs" }).click();
    await page.getByText("Somebody else has put a state since you began").waitFor();
    await page.getByRole("button", { name: "Show theirs" }).click();
    await page.getByRole("button", { name: "Put mine over theirs" }).click();
    await page.getByText("Saved as revision 4.").waitFor();

    expect(await client.call("getState", { stream: "orders" })).toMatchObject({ state: { mine: 1 }, revision: 4 });
  },
);

inBrowser(title("checkpoints: puts a state and trims what it covers"), async ({ open, connect }) => {
  const client = await connect();
  await client.call("publishBatch", { stream: "orders", messages: [{ data: 1 }, { data: 2 }, { data: 3 }] });

  const page = await open("#/streams/orders/state");
  await page.getByText("No state was put yet.").waitFor();
  await page.getByRole("button", { name: "Checkpoint…" }).click();
  const dialog = page.getByRole("dialog", { name: "Checkpoint" });
  await dialog.getByText("The last message is 3.").waitFor();
  await dialog.getByLabel(EDITOR).fill('{ "through": 2 }');
  await dialog.getByLabel("It covers up to and with the sequence").fill("2");
  await dialog.getByRole("button", { name: "Save and trim" }).click();
  await page.getByText("Saved as revision 1; 2 messages are deleted.").waitFor();

  expect(await client.call("getStreamInfo", { stream: "orders" })).toMatchObject({
    firstSequence: 3,
    stateRevision: 1,
  });
});
