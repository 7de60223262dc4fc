/** The messages view of a long stream, and of one that gets 500 messages a second: what the page holds stays bounded. */
import { setTimeout as delay } from "node:timers/promises";

import type { CDPSession, Page } from "playwright-core";
import { expect, inject } from "vitest";

import { inBrowser, title } from "../console.ts";
import { counted, drawn, fill, firstSeen, MOST_DRAWN, untilShown, wheel } from "./tail-page.ts";

/** The most rows that the view holds. */
const MOST_HELD = 2_000;
/** What a row takes at least, if it were held. */
const ROW_BYTES = 200;
const PER_SECOND = 500;
const TICK_MS = 20;
const PATIENCE_MS = 600_000;

const lengths = inject("lengths");

function held(page: Page): Promise<number> {
  return page.evaluate<number>("Number(document.querySelector('.messages').dataset.held)");
}

/** What the page's objects take, and how many nodes there are, once all that nothing needs is gone. */
async function used(devtools: CDPSession): Promise<{ bytes: number; nodes: number }> {
  await devtools.send("HeapProfiler.collectGarbage");
  const { usedSize } = await devtools.send("Runtime.getHeapUsage");
  const { metrics } = await devtools.send("Performance.getMetrics");
  return { bytes: usedSize, nodes: metrics.find(({ name }) => name === "Nodes")?.value ?? 0 };
}

/** The rows that do not follow the one before; one that is no message when there are none. */
function holesIn(drawnRows: readonly number[]): number[] {
  return drawnRows.length === 0 ? [0] : drawnRows.filter((row, index) => row !== (drawnRows[0] ?? 0) + index);
}

inBrowser(
  title(`shows any part of a stream of ${lengths.consoleMessages} messages`),
  { timeout: PATIENCE_MS },
  async ({ open, connect }) => {
    const stream = "long";
    const total = lengths.consoleMessages;
    await fill(await connect(), stream, total);
    const client = await connect();
    const page = await open("#/streams/long/messages");
    const expectBounded = async () => {
      expect(await held(page)).toBeLessThanOrEqual(MOST_HELD);
      expect((await drawn(page)).length).toBeLessThanOrEqual(MOST_DRAWN);
    };
    const goTo = async (text: string) => {
      await page.getByLabel("Go to").fill(text);
      await page.getByLabel("Go to").press("Enter");
    };
    await untilShown(page, total);

    await page.getByRole("button", { name: "First" }).click();
    await untilShown(page, 1);
    const middle = Math.floor(total / 2);
    await goTo(String(middle));
    await untilShown(page, middle);
    // A place that is not at the edge of a batch, whose messages have one time.
    const [message] = (await client.call("getMessages", { stream, from: { sequence: middle + 1_234 }, limit: 1 }))
      .messages;
    const time = message?.publishedAt ?? 0;
    await goTo(new Date(time).toISOString());
    const of = await client.call("getMessages", { stream, from: { time }, limit: 1 });
    await untilShown(page, of.messages[0]?.sequence ?? 0);
    await expectBounded();
    // Far enough for rows to go at the other end, in both directions.
    for (const step of [-12_000, 12_000]) {
      const from = (await firstSeen(page)).sequence;
      await expect
        .poll(async () => {
          await wheel(page, step);
          await expectBounded();
          return Math.abs((await firstSeen(page)).sequence - from);
        })
        .toBeGreaterThan(MOST_HELD + 500);
      // Turns of the wheel that are on their way still move it.
      await expect.poll(async () => holesIn(await drawn(page))).toEqual([]);
    }
    await page.getByRole("button", { name: "Last" }).click();
    await untilShown(page, total);
    await fill(client, stream, 1, total + 1);
    await untilShown(page, total + 1);
    await expectBounded();
  },
);

inBrowser(
  title(`follows ${PER_SECOND} messages a second for ${lengths.consoleSeconds} s`),
  { timeout: PATIENCE_MS },
  async ({ open, connect }) => {
    const stream = "fast";
    const client = await connect();
    await fill(client, stream, MOST_HELD + 500);
    const page = await open("#/streams/fast/messages");
    let sent = 0;
    page.on("websocket", (socket) => socket.on("framesent", () => (sent += 1)));
    await page.reload();
    await untilShown(page, MOST_HELD + 500);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Performance.enable");
    // Of each frame that the page makes, how many messages it has by then.
    await page.evaluate(`{
      globalThis.frames = [];
      const frame = () => {
        frames.push(Number(document.querySelector("[data-received]")?.dataset.received ?? 0));
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    }`);
    let next = MOST_HELD + 501;
    const publish = async (seconds: number) => {
      const until = next + seconds * PER_SECOND;
      const startedAt = performance.now();
      const first = next;
      while (next < until) {
        // However late a tick is, as many as the time says.
        const due = Math.min(until, first + Math.ceil(((performance.now() - startedAt) / 1_000) * PER_SECOND));
        if (due > next) {
          await fill(client, stream, due - next, next);
          next = due;
        }
        await delay(TICK_MS);
      }
    };
    const everything = async () => {
      await expect.poll(() => counted(page, "received")).toBe(next - MOST_HELD - 501);
    };
    // Fills what is held.
    await publish(MOST_HELD / PER_SECOND);
    await everything();
    const before = await used(devtools);
    const sentBefore = sent;
    const from = next;

    const publishing = publish(lengths.consoleSeconds);
    // Meanwhile somebody types, and each key is answered.
    const find = page.getByLabel("Find");
    for (let key = 0; key < 10; key += 1) {
      const count = await counted(page, "received");
      await find.fill(`"n":${next}`);
      await page.getByText(/\d found/).waitFor();
      expect((await drawn(page)).length).toBeLessThanOrEqual(MOST_DRAWN);
      expect(await held(page)).toBeLessThanOrEqual(MOST_HELD);
      await expect.poll(() => counted(page, "received")).toBeGreaterThan(count);
    }
    await find.fill("");
    await publishing;

    await everything();
    await untilShown(page, next - 1);
    const published = next - from;
    const after = await used(devtools);
    expect(after.bytes - before.bytes).toBeLessThan((published * ROW_BYTES) / 2);
    expect(after.nodes - before.nodes).toBeLessThan(published);
    // Acks are cumulative, and pings few.
    expect(sent - sentBefore).toBeLessThan(published / 20);
    const frames = await page.evaluate<number[]>("frames");
    const steps = frames.map((count, index) => count - (frames[index - 1] ?? count));
    // No long while without a frame: none brings a large part of all messages at once.
    expect(Math.max(...steps)).toBeLessThan(published / 4);
    await page.getByText("Live").waitFor();
  },
);
