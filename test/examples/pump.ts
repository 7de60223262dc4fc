/**
 * A pump: brings the lines of a log file to a stream, each once and in order, however often it is killed and started
 * again. It is a producer with a name, and its `sequence` is the number of the line. So it keeps no position of its own: it
 * asks the stream where it is, and reads on from there. Batches may be cut otherwise each time, and two pumps of the same
 * file at once do no harm: the stream goes by the numbers.
 *
 *     STREAM_URL=http://127.0.0.1:8787 API_KEY=… npx node test/examples/pump.ts app.log
 *
 * In a project of its own, the import is "durable-stream/client".
 */
import { createReadStream } from "node:fs";
import { basename } from "node:path";

import { DurableStream } from "../../rpc/client.ts";

const DAY_MS = 86_400_000;
/** No more lines in one batch; the server takes up to 500 messages. */
const BATCH_LINES = Number(process.env["BATCH_LINES"] ?? 100);

const [file = "app.log"] = process.argv.slice(2);
// One stream for each file: its lines are counted from 1.
const stream = `lines-of-${basename(file)}`;
const producer = "pump";

/** The lines after so many, in batches. A line counts once it is ended: what is still being written comes next time. */
async function* batchesOf(path: string, skip: number): AsyncGenerator<string[]> {
  let [number, rest]: [number, string] = [0, ""];
  let batch: string[] = [];
  for await (const chunk of createReadStream(path, "utf8") as AsyncIterable<string>) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      number += 1;
      if (number > skip) {
        batch.push(line);
      }
      if (batch.length === BATCH_LINES) {
        yield batch;
        batch = [];
      }
    }
  }
  if (batch.length > 0) {
    yield batch;
  }
}

const client = new DurableStream({
  url: process.env["STREAM_URL"] ?? "",
  token: process.env["API_KEY"] ?? "",
});
// A producer that is silent for longer is forgotten: the pump would begin with line 1 again.
await client.configureStream({ stream, producerWindowMs: 365 * DAY_MS });
const { producer: at } = await client.getProducer({ stream, producer });
let through = at.sequence;
console.log(`goes on after line ${through}`);
for await (const lines of batchesOf(file, through)) {
  const messages = lines.map((line) => ({ data: line }));
  await client.publishBatch({ stream, messages, producer: { id: producer, sequence: through + 1 } });
  through += lines.length;
  console.log(`stored through line ${through}`);
}
await client.close();
