/** Every view of the console, for what has to hold in each: how it looks, what a screen reader is told, its screenshot. */
import { DurableStream } from "../../../rpc/client.ts";
import type { Target } from "../server/client.ts";

import { CONSUMER_PLACES, fillConsumers, pack } from "./consumer-places.ts";
import type { Place } from "./place.ts";

/** What {@link fill} makes. */
export const PLACES: readonly Place[] = [
  { name: "streams", hash: "#/streams", ready: (page) => page.getByRole("rowheader", { name: "payments" }).waitFor() },
  {
    name: "overview",
    hash: "#/streams/orders/overview",
    ready: (page) => page.getByText(/now [\d.,]+ messages\/s/).waitFor(),
    drawnForMs: 60_000,
  },
  {
    name: "messages",
    hash: "#/streams/orders/messages",
    ready: (page) => page.locator(".message").nth(9).waitFor(),
    drawnForMs: 3_000,
  },
  {
    name: "message",
    hash: "#/streams/orders/messages?at=1500&filter=orders.eu.*",
    ready: async (page) => {
      await page.locator(".message-detail").waitFor();
      await page.getByLabel("Find").fill("kettle");
      await page.getByText(/of \d+ found/).waitFor();
    },
    drawnForMs: 500,
  },
  {
    name: "publish",
    hash: "#/streams/orders/publish",
    ready: async (page) => {
      await page.getByLabel("Data").fill('{\n  "order": 10480,\n  "item": "tea",\n  "quantity": 2\n  "total": 14.7\n}');
      await page.getByText("was expected at line 5").waitFor();
    },
  },
  { name: "state", hash: "#/streams/orders/state", ready: (page) => page.getByText('"totals": ').waitFor() },
  ...CONSUMER_PLACES,
  { name: "server", hash: "#/server", ready: (page) => page.getByRole("table", { name: "Limits" }).waitFor() },
];

/** Publishes to the stream `orders`, now more and now less, until the function that it returns is called. */
export function busy({ url, apiKey }: Target): () => Promise<void> {
  const client = new DurableStream({ url, token: apiKey });
  pack(client);
  let turn = 0;
  const timer = setInterval(() => {
    turn += 1;
    const count = Math.round(30 + 20 * Math.sin(turn / 25) + 12 * Math.random());
    const messages = Array.from({ length: count }, (_, index) => ({
      data: { order: turn * 100 + index, item: "tea" },
      subject: `orders.${index % 3 === 0 ? "us" : "eu"}.created`,
    }));
    // The pictures do not need every one of them.
    client.publishBatch({ stream: "orders", messages }).catch(() => undefined);
  }, 200);
  return () => {
    clearInterval(timer);
    return client.close();
  };
}

/** Fills a server with what a shop might have. */
export async function fill({ url, apiKey }: Target): Promise<void> {
  await using client = new DurableStream({ url, token: apiKey });
  const streams = [
    "audit.log",
    "carts",
    "inventory.eu",
    "inventory.us",
    "orders",
    "orders.returns",
    "payments",
    "telemetry",
  ];
  await Promise.all(streams.map((stream) => client.configureStream({ stream })));
  await client.configureStream({ stream: "orders", maxAgeMs: 7 * 86_400_000, maxBytes: 500_000_000 });
  const items = ["tea", "coffee", "cups", "kettle"];
  const messages = Array.from({ length: 480 }, (_, index) => ({
    data: { order: 10_000 + index, item: items[index % 4], quantity: 1 + (index % 5), total: (index * 7.35) % 90 },
    subject: `orders.${index % 3 === 0 ? "us" : "eu"}.created`,
  }));
  for (let turn = 0; turn < 4; turn += 1) {
    await client.publishBatch({ stream: "orders", messages });
  }
  await client.createConsumer({ stream: "orders", consumer: "packers" });
  await fillConsumers(client);
  const totals = { eu: { orders: 1_280, revenue: 54_310.5 }, us: { orders: 640, revenue: 27_102 } };
  await client.putState({
    stream: "orders",
    state: { through: 1_900, totals, open: [10_431, 10_432, 10_440], note: null, isComplete: false },
  });
}
