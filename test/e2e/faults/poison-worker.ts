/** A worker process of this client that dies, without a goodbye, of each job it takes for poisonous. */
import { DurableStream } from "../../../rpc/client.ts";

/** What the process is told, as JSON in its only argument. */
export type PoisonWorkerOptions = { url: string; token: string; stream: string; consumer: string; poison: number[] };

const { url, token, stream, consumer, poison }: PoisonWorkerOptions = JSON.parse(process.argv[2] ?? "");
const client = new DurableStream({ url, token });

client.subscribe({ stream, consumer }, ({ data }) => {
  if (poison.includes(Number(data))) {
    process.kill(process.pid, "SIGKILL");
  }
});
