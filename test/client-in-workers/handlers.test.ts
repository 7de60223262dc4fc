import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";

import { DurableStream } from "../../rpc/client.ts";
import { range } from "../harness/objects.ts";
import { WorkerSocket } from "../harness/worker-socket.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

function connect(): DurableStream {
  return new DurableStream({ url: "https://stream.test", token: env.API_KEY, WebSocket: WorkerSocket });
}

it("a stream's event comes again to a handler that failed, in its place, also where the server lost patience", async () => {
  const reported = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const stream = "handlers-stream";
  const client = connect();
  const done: number[] = [];
  const finished = Promise.withResolvers<void>();
  let failures = 0;
  const subscription = client.subscribe({ stream, ackWaitMs: 100, maxDeliver: 1 }, (event) => {
    if (event.type !== "message") {
      throw new TypeError(`nothing is missing: ${event.type}`);
    }
    if (event.sequence === 3 && failures < 4) {
      failures += 1;
      throw new Error("not now");
    }
    done.push(event.sequence);
    if (event.sequence === 10) {
      finished.resolve();
    }
  });
  await subscription.ready;

  await client.publishBatch({ stream, messages: range(1, 10).map((data) => ({ data })) });
  await finished.promise;

  expect(done).toEqual(range(1, 10));
  expect(reported).toHaveBeenCalledTimes(4);
  await client.close();
});

it("a consumer's message is delivered again after a handler that failed, and dies of one that always does", async () => {
  const at = { stream: "handlers-consumer", consumer: "workers" };
  const client = connect();
  await client.createConsumer({ ...at, backoffMs: [10], maxDeliver: 3 });
  const deliveries: string[] = [];
  const errors: unknown[] = [];
  client.subscribe(
    at,
    ({ sequence, deliveryCount }) => {
      deliveries.push(`${sequence}/${deliveryCount}`);
      if (sequence === 1 || (sequence === 2 && deliveryCount === 1)) {
        throw new Error("broken");
      }
    },
    { onError: (error) => void errors.push(error) },
  );

  await client.publishBatch({ stream: at.stream, messages: range(1, 3).map((data) => ({ data })) });

  await expect.poll(() => client.getConsumer(at)).toMatchObject({ ackFloor: 3, deadLetters: 1, inFlight: 0 });
  expect(deliveries.toSorted((a, b) => a.localeCompare(b))).toEqual(["1/1", "1/2", "1/3", "2/1", "2/2", "3/1"]);
  expect(errors).toHaveLength(4);
  expect(await client.getDeadLetters(at)).toMatchObject({ deadLetters: [{ sequence: 1, reason: "maxDeliver" }] });
  await client.close();
});
