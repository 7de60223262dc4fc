import { ErrorCode } from "durable-stream";
import { DurableStream, DurableStreamError } from "durable-stream/client";

const MESSAGES = 200;

/**
 * Uses the installed package as a program in plain JavaScript would, on any runtime, and tells what it saw line by
 * line. After the line `cut` it waits until its connection is lost.
 */
export async function tour({ runtime, tell, ...options }) {
  const stream = runtime.replaceAll(" ", "-");
  let connections = 0;
  let lose;
  const lost = new Promise((resolve) => {
    lose = resolve;
  });
  const client = new DurableStream({
    ...options,
    onState: ({ state }) => {
      connections += state === "open" ? 1 : 0;
      if (connections > 0 && state !== "open") {
        lose();
      }
    },
  });

  const received = [];
  const following = (async () => {
    for await (const event of client.subscribe({ stream })) {
      received.push(event.data);
      if (received.length === MESSAGES) {
        return;
      }
    }
  })();
  for (let data = 0; data < MESSAGES / 2; data += 1) {
    await client.publish({ stream, data });
  }
  tell("cut");
  await lost;
  const rest = Array.from({ length: MESSAGES / 2 }, (_, index) => MESSAGES / 2 + index);
  const stored = await Promise.all(rest.map((data) => client.publish({ stream, data })));
  await following;
  const isInOrder = received.every((data, index) => data === index) && stored.at(-1).sequence === MESSAGES;
  tell(`${received.length} messages, in order: ${isInOrder}, connections: ${connections}`);

  await client.createConsumer({ stream, consumer: "jobs", from: { last: 1 } });
  for await (const job of client.subscribe({ stream, consumer: "jobs" })) {
    job.ack();
    break;
  }
  const { ackFloor } = await client.getConsumer({ stream, consumer: "jobs" });
  tell(`acked through ${ackFloor}`);

  const bytes = new Uint8Array(2_000_000).map((_, index) => index % 251);
  for (const [key, body] of Object.entries({ bytes, blob: new Blob([bytes]), stream: new Blob([bytes]).stream() })) {
    await client.objects.put(`${stream}/${key}`, body);
    const got = await client.objects.get(`${stream}/${key}`);
    const back = new Uint8Array(await new Response(got.body).arrayBuffer());
    const isEqual = back.length === bytes.length && back.every((byte, index) => byte === bytes[index]);
    tell(`object from ${key}, equal: ${isEqual}`);
  }

  try {
    await client.publish({ stream, data: "late", expect: { lastSequence: 0 } });
  } catch (error) {
    if (error instanceof DurableStreamError && error.code === ErrorCode.Conflict) {
      tell(`${error.name} ${error.code}`);
    }
  }
  await client.close();
  tell(`closed on ${runtime}`);
}
