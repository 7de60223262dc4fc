/** What the tests of the messages view do with a page. */
import type { Page } from "playwright-core";
import { expect } from "vitest";

import type { Client } from "../../server/client.ts";

/** The most that the page may have of rows, whatever the stream has. */
export const MOST_DRAWN = 100;

/** Publishes messages of data `{ n }` with their sequences, from the stream's end on. */
export async function fill(client: Client, stream: string, count: number, from = 1): Promise<void> {
  const at = 500;
  const batches: Promise<unknown>[] = [];
  for (let first = from; first < from + count; first += at) {
    const length = Math.min(at, from + count - first);
    const messages = Array.from({ length }, (_, index) => ({
      data: { n: first + index },
      subject: `s.${(first + index) % 2 === 0 ? "even" : "odd"}`,
    }));
    batches.push(client.call("publishBatch", { stream, messages }));
    if (batches.length === 8) {
      await Promise.all(batches.splice(0));
    }
  }
  await Promise.all(batches);
}

/** The sequences of the rows that are in the page, in their order there. */
export function drawn(page: Page): Promise<number[]> {
  return page.evaluate<number[]>(
    "[...document.querySelectorAll('.message')].map((row) => Number(row.dataset.sequence))",
  );
}

/** The sequence of the first row that is seen, and how far its top is from that of the list. */
export function firstSeen(page: Page): Promise<{ sequence: number; offset: number }> {
  return page.evaluate(`(() => {
    const top = document.querySelector(".messages").getBoundingClientRect().top;
    const row = [...document.querySelectorAll(".message")].find((each) => each.getBoundingClientRect().bottom > top + 1);
    return { sequence: Number(row?.dataset.sequence), offset: Math.round(row?.getBoundingClientRect().top - top) };
  })()`);
}

/** The sequence of the first row that is seen when that is another one; the same when a second of drawing has not moved it. */
export async function movedFrom(page: Page, sequence: number | undefined): Promise<number> {
  let now = (await firstSeen(page)).sequence;
  for (let frame = 0; frame < 60 && now === sequence; frame += 1) {
    await page.evaluate("new Promise((resolve) => requestAnimationFrame(() => resolve()))");
    now = (await firstSeen(page)).sequence;
  }
  return now;
}

/** Waits until a message is in the page, and expects rows without a hole around it. */
export async function untilShown(page: Page, sequence: number): Promise<void> {
  await page.locator(`.message[data-sequence="${sequence}"]`).waitFor();
  const rows = await drawn(page);
  expect(rows.length).toBeLessThanOrEqual(MOST_DRAWN);
  expect(rows).toEqual(rows.map((_, index) => (rows[0] ?? 0) + index));
}

/** A number that the status says: of messages that came, or that wait to be shown. */
export async function counted(page: Page, what: "received" | "waiting"): Promise<number> {
  return page.evaluate<number>(`Number(document.querySelector("[data-${what}]")?.dataset.${what} ?? 0)`);
}

/** Scrolls the list, as a wheel does. */
export async function wheel(page: Page, by: number): Promise<void> {
  await page.locator(".messages").hover();
  await page.mouse.wheel(0, by);
}
