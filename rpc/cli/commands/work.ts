import { spawn } from "node:child_process";
import { once } from "node:events";

import type { Command } from "commander";

import type { ConsumerDelivery, Subscription } from "../../client.ts";
import type { Cli } from "../cli.ts";
import { command } from "../command.ts";
import { local } from "../failure.ts";
import { rateText } from "../text.ts";
import { given, whole } from "../values.ts";

type Options = { readonly concurrency: number; readonly data?: true };

/** So many times within the ack deadline the server is told that the work goes on. */
const SIGNS_OF_LIFE = 3;

/** `consumer work`: a command for each message. */
export function workCommand(cli: Cli): Command {
  return command("work <stream> <consumer> <command...>", {
    summary: "run a command for each message, which is a line of JSON on its standard input",
    examples: [
      ["consumer work orders packers -- ./pack.sh", "exit code 0 acks, any other gives back"],
      ["consumer work orders packers --concurrency 8 --data -- node pack.js", "eight at a time"],
    ],
  })
    .option("-c, --concurrency <n>", "so many at a time", whole(1, 1_000), 1)
    .option("--data", "the standard input is the data alone")
    .addHelpText(
      "after",
      `
The environment of the command has DURABLE_STREAM_SEQUENCE, _SUBJECT, _ID and _DELIVERY_COUNT. While it runs, the
message's ack deadline is extended. Ctrl-C takes nothing more, waits for the commands that run, and then ends.`,
    )
    .action((stream: string, consumer: string, program: [string, ...string[]], options: Options) =>
      work(cli, { stream, consumer }, { program, ...options }),
    );
}

type Job = Options & { readonly program: readonly [string, ...string[]] };

async function work(cli: Cli, names: { stream: string; consumer: string }, job: Job): Promise<void> {
  const client = await cli.connect();
  const signal = cli.inOrder();
  const { ackWaitMs } = (await client.getConsumer(names)).config;
  const subscription = client.subscribe({ ...names, maxInFlight: job.concurrency }, { ack: "manual" });
  const crew = new Crew(job, { signal, lifeSignMs: ackWaitMs / SIGNS_OF_LIFE });
  const startedAt = performance.now();
  try {
    await Promise.race([take(subscription, crew, signal), crew.failed]);
  } finally {
    await crew.done();
    const drained = subscription.drain();
    // What is in hand is settled already; what has come meanwhile goes back to the others.
    await Promise.all([subscription.next().catch(() => undefined), drained]);
    const { acked, naked } = crew;
    cli.output.note(`acked ${rateText(acked, "messages", performance.now() - startedAt)}, gave back ${naked}`);
  }
  cli.throwIfInterrupted();
}

/** Takes message after message, as long as there is somebody for it. */
async function take(subscription: Subscription<ConsumerDelivery>, crew: Crew, signal: AbortSignal): Promise<void> {
  const stopped = signal.aborted ? Promise.resolve() : once(signal, "abort");
  while (!signal.aborted) {
    const next = await Promise.race([subscription.next(), stopped.then(() => undefined)]);
    if (next === undefined || next.done === true) {
      return;
    }
    crew.start(next.value);
    await Promise.race([crew.hasRoom(), stopped]);
  }
}

/** The commands that run. */
class Crew {
  acked = 0;
  naked = 0;
  /** Rejects when the command can not be run at all: then no message is to blame. */
  readonly failed: Promise<never>;
  readonly #job: Job;
  readonly #signal: AbortSignal;
  readonly #lifeSignMs: number;
  readonly #running = new Set<Promise<void>>();
  #fail: (error: Error) => void = () => undefined;

  constructor(job: Job, { signal, lifeSignMs }: { signal: AbortSignal; lifeSignMs: number }) {
    this.#job = job;
    this.#signal = signal;
    this.#lifeSignMs = lifeSignMs;
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {
      // Safe: whoever takes messages waits for it.
    });
  }

  start(message: ConsumerDelivery): void {
    const running = this.#run(message).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async hasRoom(): Promise<void> {
    while (this.#running.size >= this.#job.concurrency) {
      await Promise.race(this.#running);
    }
  }

  async done(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #run(message: ConsumerDelivery): Promise<void> {
    const [program, ...rest] = this.#job.program;
    const child = spawn(program, rest, { stdio: ["pipe", "inherit", "inherit"], env: environmentOf(message) });
    child.stdin.on("error", () => {
      // Safe: a command need not read its message.
    });
    child.stdin.end(`${JSON.stringify(this.#job.data === true ? message.data : messageOf(message))}\n`);
    const alive = setInterval(() => message.working(), this.#lifeSignMs);
    try {
      const [code, killedBy]: unknown[] = await once(child, "close");
      if (code === 0) {
        this.acked += 1;
        message.ack();
      } else if (!(this.#signal.aborted && killedBy !== null)) {
        this.naked += 1;
        message.nak();
      }
      // Else Ctrl-C has ended it too: it goes back when the subscription is closed, which counts as no failure.
    } catch (error) {
      this.#fail(local(`the command can not be run: ${error instanceof Error ? error.message : String(error)}`));
    } finally {
      clearInterval(alive);
    }
  }
}

function messageOf({ sequence, publishedAt, deliveryCount, subject, data, headers, id }: ConsumerDelivery) {
  return given({ sequence, publishedAt, deliveryCount, subject, data, headers, id });
}

function environmentOf({ sequence, subject, id, deliveryCount }: ConsumerDelivery): NodeJS.ProcessEnv {
  return {
    ...process.env,
    DURABLE_STREAM_SEQUENCE: String(sequence),
    DURABLE_STREAM_SUBJECT: subject ?? "",
    DURABLE_STREAM_ID: id ?? "",
    DURABLE_STREAM_DELIVERY_COUNT: String(deliveryCount),
  };
}
