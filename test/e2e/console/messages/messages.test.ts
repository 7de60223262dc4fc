/** The messages of a stream: any part of it, what comes at its end, and what is found in it. */
import { expect } from "vitest";

import { inBrowser, title } from "../console.ts";
import { counted, drawn, fill, firstSeen, movedFrom, untilShown, wheel } from "./tail-page.ts";

inBrowser(title("shows the last messages, and adds what comes at the end"), async ({ open, connect }) => {
  const client = await connect();
  await fill(client, "orders", 300);

  const page = await open("#/streams/orders/messages");
  await untilShown(page, 300);
  await fill(client, "orders", 5, 301);

  await untilShown(page, 305);
  expect(await counted(page, "received")).toBe(5);
  await expect.poll(async () => (await page.locator(".message").last().boundingBox())?.y).toBeLessThan(720);
});

inBrowser(title("reads on in both directions, and comes back to the end"), async ({ open, connect }) => {
  const client = await connect();
  await fill(client, "orders", 3_000);
  const page = await open("#/streams/orders/messages?at=1500");
  await untilShown(page, 1_500);

  // Further than what was loaded: what is wanted is read as somebody scrolls.
  await expect
    .poll(async () => {
      await wheel(page, -5_000);
      return (await firstSeen(page)).sequence;
    })
    .toBe(1);
  await page.getByText("The stream begins here.").waitFor();
  await expect
    .poll(async () => {
      await wheel(page, 8_000);
      return (await drawn(page)).at(-1);
    })
    .toBe(3_000);
  await page.getByText("Live").waitFor();
  await fill(client, "orders", 1, 3_001);

  await untilShown(page, 3_001);
});

inBrowser(title("keeps the place of who has scrolled away, and counts what comes"), async ({ open, connect }) => {
  const client = await connect();
  await fill(client, "orders", 1_000);
  const page = await open("#/streams/orders/messages");
  await untilShown(page, 1_000);

  await wheel(page, -600);
  await page.getByText("Reading, and counting").waitFor();
  const before = await firstSeen(page);
  await fill(client, "orders", 2_500, 1_001);
  await expect.poll(() => counted(page, "waiting")).toBe(2_500);

  expect(await firstSeen(page)).toEqual(before);
  await page.getByRole("button", { name: "2,500 new" }).click();
  await untilShown(page, 3_500);
});

inBrowser(title("keeps the place while older messages are put above what is seen"), async ({ open, connect }) => {
  const client = await connect();
  await fill(client, "orders", 3_000);
  const page = await open("#/streams/orders/messages?at=1500");
  await untilShown(page, 1_500);

  const start = (await firstSeen(page)).sequence;
  const seen = [start];
  let turns = 0;
  for (; (seen.at(-1) ?? 0) > 700 && turns < 90; turns += 1) {
    await wheel(page, -500);
    seen.push(await movedFrom(page, seen.at(-1)));
  }

  expect(seen.at(-1)).toBeLessThanOrEqual(700);
  // A turn is 19 rows of 27 pixels, and a page that is put above is hundreds. A busy browser lets one in a thousand go by.
  expect(start - (seen.at(-1) ?? 0)).toBeLessThanOrEqual(19 * turns);
  const steps = seen.slice(1).map((sequence, index) => (seen[index] ?? 0) - sequence);
  expect(steps.filter((step) => step < 0 || step > 60)).toEqual([]);
});

inBrowser(title("pauses: what comes is counted, and comes when it is resumed"), async ({ open, connect }) => {
  const client = await connect();
  await fill(client, "orders", 100);
  const page = await open("#/streams/orders/messages");
  await untilShown(page, 100);

  await page.keyboard.press(" ");
  await page.getByRole("button", { name: "Resume" }).waitFor();
  await fill(client, "orders", 60, 101);
  await expect.poll(() => counted(page, "waiting")).toBe(60);
  expect((await drawn(page)).at(-1)).toBe(100);
  // What is held does not need the stream any more.
  await client.call("deleteMessages", { stream: "orders", through: 160 });
  await page.keyboard.press(" ");

  await untilShown(page, 160);
  expect(await counted(page, "waiting")).toBe(0);
  // Paused for longer than what is held: it goes on from there.
  await page.getByRole("button", { name: "Pause" }).click();
  await fill(client, "orders", 4_000, 161);
  await expect.poll(() => counted(page, "waiting")).toBe(4_000);
  await page.getByRole("button", { name: "Resume" }).click();
  await untilShown(page, 4_160);
  await wheel(page, -20_000);
  await expect.poll(async () => (await firstSeen(page)).sequence).toBeLessThan(3_700);
  await untilShown(page, (await firstSeen(page)).sequence);
});

inBrowser(title("filters by subject, and says what is no filter"), async ({ open, connect }) => {
  const client = await connect();
  await fill(client, "orders", 2_000);
  await client.call("publish", { stream: "orders", data: "rare", subject: "s.rare" });
  await fill(client, "orders", 2_000, 2_002);
  const page = await open("#/streams/orders/messages");
  await untilShown(page, 4_001);

  await page.getByLabel("Subjects").fill("s..x");
  await page.getByText("must be a subject", { exact: false }).waitFor();
  await page.getByLabel("Subjects").fill("s.rare");
  await page.getByLabel("Subjects").press("Enter");

  await expect.poll(() => drawn(page)).toEqual([2_001]);
  expect(page.url()).toContain("filter=s.rare");
  await client.call("publish", { stream: "orders", data: "other", subject: "s.other" });
  await client.call("publish", { stream: "orders", data: "rare again", subject: "s.rare" });
  await expect.poll(() => drawn(page)).toEqual([2_001, 4_003]);
  await page.getByText("The stream begins here.").waitFor();
});

inBrowser(
  title("goes to a sequence, a time, the first and the last, by the address too"),
  async ({ open, connect }) => {
    const client = await connect();
    await fill(client, "orders", 2_000);
    const page = await open("#/streams/orders/messages?at=700");
    await page.locator('[data-sequence="700"] .message-detail').getByText("2026", { exact: false }).waitFor();
    await untilShown(page, 700);

    await page.getByRole("button", { name: "First" }).click();
    await untilShown(page, 1);
    const { messages } = await client.call("getMessages", { stream: "orders", from: { sequence: 1_200 }, limit: 1 });
    const time = new Date(messages[0]?.publishedAt ?? 0).toISOString();
    await page.getByLabel("Go to").fill(time);
    await page.getByRole("button", { name: "Go", exact: true }).click();
    const first = await client.call("getMessages", { stream: "orders", from: { time: Date.parse(time) }, limit: 1 });
    await untilShown(page, first.messages[0]?.sequence ?? 0);
    await page.goBack();
    await untilShown(page, 1);
    await page.getByLabel("Go to").fill("a while ago");
    await page.getByRole("button", { name: "Go", exact: true }).click();
    await page.getByText("A sequence from 1 on").waitFor();
    await page.getByLabel("Go to").fill("2002");
    await page.getByRole("button", { name: "Go", exact: true }).click();
    await page.getByText("the last one is 2,000").waitFor();
    expect(await drawn(page)).toContain(1);
    await page.getByRole("button", { name: "Last" }).click();
    await untilShown(page, 2_000);
  },
);

inBrowser(title("finds text in data, subjects and headers, and marks it"), async ({ open, connect }) => {
  const client = await connect();
  const stream = "orders";
  await fill(client, stream, 50);
  await client.call("publish", { stream, data: { deep: [{ city: "Zürich" }] } });
  await fill(client, stream, 50, 52);
  await client.call("publish", { stream, data: 1, headers: { where: "ZÜRICH" } });
  await client.call("publish", { stream, data: 2, subject: "of.zurich" });
  const page = await open("#/streams/orders/messages");
  await untilShown(page, 103);

  await page.keyboard.press("/");
  await page.keyboard.type("zürich");
  await page.getByText("2 found").waitFor();
  await page.keyboard.press("Enter");
  await page.getByText("1 of 2 found").waitFor();
  await untilShown(page, 51);
  expect(await page.locator('[data-sequence="51"] mark').allTextContents()).toEqual(["Zürich"]);
  await page.locator('[data-sequence="51"] .message-line').click();
  // It is two levels further down than what is open at first.
  await expect.poll(() => page.locator('[data-sequence="51"] .json mark').allTextContents()).toEqual(["Zürich"]);
  await page.getByRole("button", { name: "Next match" }).click();
  await page.getByText("2 of 2 found").waitFor();
  await page.getByRole("button", { name: "Previous match" }).click();
  await page.getByText("1 of 2 found").waitFor();
  await page.getByLabel("Find").fill("nowhere");
  await page.getByText("0 found").waitFor();
});

inBrowser(title("shows what comes where frames are told the same time"), async ({ browser, open, connect }) => {
  // A browser that makes clocks coarse does so, and Chromium on a busy machine now and then.
  await browser.addInitScript({
    content: `const frame = requestAnimationFrame;
      window.requestAnimationFrame = (call) => frame.call(window, () => call(1_000));`,
  });
  const client = await connect();
  await fill(client, "orders", 10);
  const page = await open("#/streams/orders/messages");
  await untilShown(page, 10);
  await fill(client, "orders", 1, 11);
  await untilShown(page, 11);
});

inBrowser(title("is used by the keyboard alone"), async ({ open, connect }) => {
  const client = await connect();
  await fill(client, "orders", 1_000);
  const page = await open("#/streams/orders/messages");
  await untilShown(page, 1_000);
  const focused = () =>
    page.evaluate<string>(
      "document.activeElement.closest('.message')?.dataset.sequence ?? document.activeElement.className",
    );

  await page.locator(".messages").focus();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  await expect.poll(focused).toBe("999");
  await page.keyboard.press("Enter");
  await page.locator('[data-sequence="999"] .message-detail').waitFor();
  for (let press = 0; press < 40; press += 1) {
    await page.keyboard.press("ArrowUp");
  }
  await expect.poll(focused).toBe("959");
  expect(await page.locator('[data-sequence="959"]').boundingBox()).not.toBeNull();
  await page.keyboard.press("Home");
  await untilShown(page, 1);
  // What had the focus has left the page; the keys go on.
  await page.keyboard.press("End");
  await untilShown(page, 1_000);
  await page.getByText("Live").waitFor();
  await page.keyboard.press(" ");
  await page.getByText("Paused").waitFor();
});
