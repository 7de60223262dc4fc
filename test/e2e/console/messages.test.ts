/** The messages of a stream: any part of it, what comes at its end, and what is found in it. */
import { expect } from "vitest";

import { inBrowser, title } from "./console.ts";

inBrowser(title("shows the last messages, and what comes"), async ({ open, connect }) => {
  const client = await connect();
  const stream = "orders";
  for (let n = 1; n <= 3; n += 1) {
    await client.call("publish", { stream, data: { n }, subject: `orders.s${n}` });
  }

  const page = await open("#/streams/orders/messages");
  await page.getByText('{"n":3}').waitFor();
  await client.call("publish", { stream, data: { n: 4 } });

  await page.getByText('{"n":4}').waitFor();
  expect(await page.locator(".message").count()).toBe(4);
});
