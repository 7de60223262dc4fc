/** The places of consumers, dead letters and objects, and what is in them. */
import { setTimeout as delay } from "node:timers/promises";

import type { DurableStream } from "../../../rpc/client.ts";

import type { Place } from "./place.ts";

const stream = "orders";
const KEY = "scans/2026/11/delivery-note-10431.json";
/** What a packer takes for a message. */
const PACKED_MS = 4;
const REASONS = ["no such customer", "total does not match the items", "address is incomplete"];

export const CONSUMER_PLACES: readonly Place[] = [
  {
    name: "consumers",
    hash: `#/streams/${stream}/consumers`,
    ready: (page) => page.getByRole("rowheader", { name: "packers" }).waitFor(),
  },
  {
    name: "consumer",
    hash: `#/streams/${stream}/consumers/packers`,
    ready: (page) => page.getByRole("region", { name: "Config" }).waitFor(),
    drawnForMs: 40_000,
  },
  {
    name: "new-consumer",
    hash: `#/streams/${stream}/consumers/+`,
    ready: (page) => page.getByRole("button", { name: "Create", exact: true }).waitFor(),
  },
  {
    name: "dead-letters",
    hash: `#/streams/${stream}/consumers/invoices/dead-letters?sequence=8`,
    ready: (page) => page.getByText('"item": ').waitFor(),
  },
  {
    name: "objects",
    hash: "#/objects",
    ready: (page) => page.getByRole("rowheader", { name: "scans/" }).waitFor(),
  },
  {
    name: "object",
    hash: `#/objects/object/${encodeURIComponent(KEY)}`,
    ready: (page) => page.getByText('"signedBy": ').waitFor(),
  },
];

/** Makes consumers, the dead letters of one, and objects. The stream has its messages already. */
export async function fillConsumers(client: DurableStream): Promise<void> {
  await client.createConsumer({ stream, consumer: "invoices", filter: "orders.eu.*" });
  await client.createConsumer({ stream, consumer: "analytics", maxInFlight: 5_000 });
  await client.pauseConsumer({ stream, consumer: "analytics", paused: true });
  let count = 0;
  for await (const job of client.subscribe({ stream, consumer: "invoices" })) {
    count += 1;
    if (count % 5 === 0) {
      job.term(REASONS[count % REASONS.length] ?? "");
    }
    if (count === 120) {
      break;
    }
  }
  const note = { order: 10_431, boxes: 2, signedBy: "dock 3", items: [{ item: "tea", quantity: 3 }] };
  await client.objects.put(KEY, JSON.stringify(note), {
    contentType: "application/json",
    metadata: { scanner: "dock-3", batch: "17" },
  });
  await client.objects.put("catalogue-2026.pdf", new Uint8Array(2_400_000), { contentType: "application/pdf" });
  await client.objects.put("logo.svg", "<svg/>", { contentType: "image/svg+xml" });
  await client.objects.put("prices.csv", "item,price\ntea,7.35\n", { contentType: "text/csv" });
  await client.objects.put("backups/orders-2026-11-28.jsonl", "{}", { contentType: "application/jsonl" });
}

/** Works on the orders, a few milliseconds for each, until the client is closed. */
export function pack(client: DurableStream): void {
  client.subscribe({ stream, consumer: "packers", maxInFlight: 60 }, () => delay(PACKED_MS));
}
