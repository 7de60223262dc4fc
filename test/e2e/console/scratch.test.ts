import { inBrowser, title } from "./console.ts";

inBrowser(title("scratch"), async ({ open, connect }) => {
  const client = await connect();
  const stream = "orders";
  for (let batch = 0; batch < 20; batch += 1) {
    const messages = Array.from({ length: 500 }, (_, n) => ({
      data: { order: batch * 500 + n, customer: { name: "Ada", city: "Zürich" }, items: [{ sku: "tea", count: 2 }, { sku: "מרחב", count: 1 }], note: n % 7 === 0 ? "x".repeat(500) : null },
      subject: `orders.${n % 2 === 0 ? "eu" : "us"}.created`,
      headers: { trace: `t-${n}` },
    }));
    await client.call("publishBatch", { stream, messages });
  }
  await client.call("deleteMessages", { stream, sequences: [9990, 9991, 9995] });
  const page = await open("#/streams/orders/messages");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.locator('[data-sequence="10000"]').waitFor();
  await page.emulateMedia({ colorScheme: "light" });
  await page.screenshot({ path: "/tmp/live-light.png" });
  await page.goto(page.url() + "?at=5000");
  await page.locator('[data-sequence="5000"] .message-detail').waitFor();
  await page.emulateMedia({ colorScheme: "dark" });
  await page.getByLabel("Find").fill("zür");
  await page.screenshot({ path: "/tmp/at-dark.png" });
  await page.setViewportSize({ width: 500, height: 800 });
  await page.screenshot({ path: "/tmp/narrow.png" });
});
