/**
 * A work queue: two workers share one consumer, so that every job is done by one of them. A job that fails comes again
 * after `backoffMs`, to whoever is free, and one that fails too often goes to the dead letters.
 *
 *     STREAM_URL=http://127.0.0.1:8787 API_KEY=… npx node test/examples/work-queue.ts
 *
 * In a project of its own, the import is "durable-stream/client".
 */
import { DurableStream } from "../../rpc/client.ts";

type Job = { square: number };

const JOBS = 20;
const queue = { stream: `jobs-${crypto.randomUUID()}`, consumer: "workers" };
const connect = (): DurableStream =>
  new DurableStream({ url: process.env["STREAM_URL"] ?? "", token: process.env["API_KEY"] ?? "" });

const office = connect();
await office.createConsumer({ ...queue, ackWaitMs: 5_000, maxDeliver: 3, backoffMs: [50] });

const done = new Map<number, string>();
let refused = 0;
const settled = Promise.withResolvers<void>();
const workers = ["Ann", "Bob"].map((name) => {
  const client = connect();
  let isFirst = true;
  client.subscribe({ ...queue, maxInFlight: 1 }, (delivery) => {
    const job = delivery.data as Job;
    if (isFirst) {
      isFirst = false;
      // Not this time: it comes again, to whoever is free then.
      delivery.nak(10);
      return;
    }
    if (job.square < 0) {
      delivery.term("there is no such square");
      refused += 1;
    } else {
      done.set(job.square, `${name} did ${job.square}² = ${job.square ** 2}`);
    }
    if (done.size === JOBS && refused === 1) {
      settled.resolve();
    }
  });
  return client;
});

await office.publish({ stream: queue.stream, data: { square: -1 } });
for (let square = 1; square <= JOBS; square += 1) {
  await office.publish({ stream: queue.stream, data: { square } });
}
await settled.promise;
// Closing waits until what is in hand is done, and acks are stored.
await Promise.all(workers.map((worker) => worker.close()));

const { ackFloor, pending, inFlight, deadLetters } = await office.getConsumer(queue);
const { deadLetters: dead } = await office.getDeadLetters(queue);
console.log([...done.values()].join("\n"));
console.log(JSON.stringify({ ackFloor, pending, inFlight, deadLetters, reason: dead[0]?.reason }));
await office.close();
