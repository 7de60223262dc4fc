import type { MethodParams } from "../../rpc/index.ts";

import type { TestClient } from "./client.ts";

/** Publishes messages numbered from 1 in one batch, one for each subject. */
export async function publishSubjects(client: TestClient, stream: string, subjects: readonly string[]): Promise<void> {
  await client.call("publishBatch", {
    stream,
    messages: subjects.map((subject, index) => ({ data: index + 1, subject })),
  });
}

/** Publishes so many messages in batches as large as they may be. */
export async function publishMany(client: TestClient, stream: string, count: number): Promise<void> {
  for (let done = 0; done < count; done += 500) {
    const messages = Array.from({ length: Math.min(500, count - done) }, (_, index) => ({ data: done + index + 1 }));
    await client.call("publishBatch", { stream, messages });
  }
}

/** A stream with so many messages and a consumer `c`; redeliveries come quickly unless `config` says otherwise. */
export async function streamWithConsumer(
  client: TestClient,
  stream: string,
  count: number,
  config: Partial<MethodParams<"createConsumer">> = {},
) {
  const made = { consumer: "c", ackWaitMs: 2_000, backoffMs: [100], ...config, stream };
  const info = await client.call("createConsumer", made);
  await publishMany(client, stream, count);
  return info;
}

/** Every delivery that came so far, as sequence and delivery count. */
export function deliveries(client: TestClient, subscription?: number): [sequence: number, deliveryCount: number][] {
  return client
    .of("messages", subscription)
    .flatMap(({ messages }) => messages.map(({ sequence, deliveryCount = 0 }) => [sequence, deliveryCount]));
}

/** Waits until a delivery came. */
export async function untilDelivery(client: TestClient, sequence: number, deliveryCount: number): Promise<void> {
  await client.until(
    () => deliveries(client).find((one) => one[0] === sequence && one[1] === deliveryCount),
    () => `delivery ${deliveryCount} of ${sequence}, after ${JSON.stringify(deliveries(client))}`,
  );
}

/** Waits until a consumer's messages are counted. @param estimates Is given what is told until then. */
export async function counted(
  client: TestClient,
  stream: string,
  consumer: string,
  estimates: number[] = [],
): Promise<number> {
  for (;;) {
    const { pending, pendingIsEstimate } = await client.call("getConsumer", { stream, consumer });
    if (pendingIsEstimate !== true) {
      return pending;
    }
    estimates.push(pending);
  }
}

/** Makes a stream one that was written by a version without an index of subjects. */
export function forgetSubjects({ sql }: DurableObjectStorage): void {
  sql.exec("DELETE FROM subjects");
}
