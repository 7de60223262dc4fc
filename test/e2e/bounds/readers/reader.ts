/** What the tests of slow readers publish, and how their clients ack it. */
import type { Client } from "../../server/client.ts";

const MIB = 1_048_576;
export const MESSAGES = 90;

/** Publishes a little less than a subscription may be sent without an ack. */
export async function publishTo(client: Client, stream: string): Promise<void> {
  const data = "x".repeat(MIB / MESSAGES - 1_000);
  await client.call("publishBatch", { stream, messages: Array.from({ length: MESSAGES }, () => ({ data })) });
}

/** Acks whatever comes, of streams or of consumers. */
export function acknowledge(client: Client, kind: "stream" | "consumer"): void {
  client.onNotification = (notification) => {
    if (notification.method === "messages") {
      const { subscription, messages } = notification.params;
      const sequences = messages.map(({ sequence }) => sequence);
      const done = kind === "consumer" ? { sequences } : { through: Math.max(...sequences) };
      client.notify("ack", { subscription, ...done });
    }
  };
}
