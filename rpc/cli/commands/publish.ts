import { createReadStream } from "node:fs";

import type { Command } from "commander";

import type { DurableStream } from "../../client.ts";
import type { Cli } from "../cli.ts";
import { command } from "../command.ts";
import { usage } from "../failure.ts";
import { jsonOf, linesOf } from "../input.ts";
import type { Line } from "../input.ts";
import { Pipeline } from "../messages/pipeline.ts";
import type { Stored } from "../messages/pipeline.ts";
import { rateText } from "../text.ts";
import { given, pair, whole } from "../values.ts";

type Options = {
  readonly file?: string;
  readonly text?: true;
  readonly subject?: string;
  readonly id?: string;
  readonly header?: Record<string, string>;
  readonly batch?: number;
};

/** `pub`: messages from arguments, a file or the standard input. */
export function pubCommand(cli: Cli): Command {
  return command("pub <stream> [data...]", {
    summary: "publish messages: arguments, or a line of JSON each from a file or the standard input",
    examples: [
      [`pub orders '{"item":"tea"}' --subject orders.eu`, "one message"],
      ["pub orders --file orders.jsonl", "a line each"],
      ["pub logs --text < app.log", "each line as a string"],
    ],
  })
    .description(
      "Publish messages: arguments, or a line of JSON each from a file or the standard input. " +
        "On a terminal it prints the sequences of arguments and of typed lines; else, as in a pipe, only with --verbose.",
    )
    .option("-f, --file <file>", "read messages from a file; - is the standard input")
    .option("-t, --text", "each argument or line is a string, not JSON")
    .option("-s, --subject <subject>", "routing key of each message")
    .option("-H, --header <name=value>", "a header of each message; may be given again", pair)
    .option("--id <id>", "store it once within the stream's duplicate window; for one message")
    .option("--batch <n>", "store each n messages as a whole or not at all, up to 500", whole(1, 500))
    .action((stream: string, data: string[], options: Options) => publish(cli, { stream, data, options }));
}

async function publish(
  cli: Cli,
  { stream, data, options }: { stream: string; data: readonly string[]; options: Options },
): Promise<void> {
  if (data.length > 0 && options.file !== undefined) {
    throw usage("messages come from arguments or from --file, not from both");
  }
  if (options.id !== undefined && (data.length !== 1 || options.batch !== undefined)) {
    throw usage("--id is for one message, given as an argument");
  }
  // Checked before anything is stored: arguments are all there.
  const checked = data.map((text, index) => valueOf({ text, number: index + 1 }, options));
  const client = await cli.connect({ order: "strict", ...Pipeline.QUEUE });
  const signal = cli.inOrder();
  const isTyped = data.length > 0 || (options.file === undefined && cli.stdin.isTTY);
  const shows = cli.output.form.isVerbose || (cli.output.form.isHuman && isTyped);
  const pipeline = new Pipeline(signal, (stored) => tell(cli, stored, shows));
  const startedAt = performance.now();
  try {
    if (data.length > 0) {
      await send(client, pipeline, { stream, values: checked, options });
    } else {
      for await (const lines of linesOf(sourceOf(cli, options.file), signal)) {
        const values = lines.map((line) => valueOf(line, options));
        await send(client, pipeline, { stream, values, options });
        pipeline.throwIfFailed();
        if (!isTyped) {
          cli.output.progress(rateText(pipeline.stored, "messages", performance.now() - startedAt));
        }
      }
    }
  } finally {
    await pipeline.settled();
    const last = pipeline.last === undefined ? "" : `, last sequence ${pipeline.last}`;
    cli.output.note(`stored ${rateText(pipeline.stored, "messages", performance.now() - startedAt)}${last}`);
  }
  pipeline.throwIfFailed();
  cli.throwIfInterrupted();
}

/** Hands messages to the client, which sends them together; one by one, or in batches that are stored as a whole. */
async function send(
  client: DurableStream,
  pipeline: Pipeline,
  { stream, values, options }: { stream: string; values: readonly { data: unknown; size: number }[]; options: Options },
): Promise<void> {
  const { subject, header: headers, id, batch } = options;
  const common = given({ subject, headers });
  if (batch === undefined) {
    for (const { data, size } of values) {
      if (pipeline.isFull) {
        await pipeline.room();
      }
      pipeline.add(client.publish({ stream, data, ...common, ...given({ id }) }), { count: 1, size });
    }
    return;
  }
  for (let at = 0; at < values.length; at += batch) {
    const part = values.slice(at, at + batch);
    if (pipeline.isFull) {
      await pipeline.room();
    }
    const messages = part.map(({ data }) => ({ data, ...common }));
    const size = part.reduce((sum, each) => sum + each.size, 0);
    pipeline.add(client.publishBatch({ stream, messages }), { count: part.length, size });
  }
}

function valueOf({ text, number }: Line, { text: isText }: Options): { data: unknown; size: number } {
  const size = text.length;
  return isText === true ? { data: text.replace(/\r$/, ""), size } : { data: jsonOf(text, `message ${number}`), size };
}

function sourceOf(cli: Cli, file: string | undefined) {
  if (file !== undefined && file !== "-") {
    return createReadStream(file, { highWaterMark: 262_144 });
  }
  if (cli.isInteractive && file === undefined) {
    cli.output.note("a message a line; Ctrl-D ends");
  }
  return cli.stdin;
}

async function tell({ output }: Cli, { sequence, count, duplicate }: Stored, shows: boolean): Promise<void> {
  if (!shows) {
    return;
  }
  const first = sequence - count + 1;
  if (output.form.isHuman) {
    await output.said(`${count === 1 ? sequence : `${first} to ${sequence}`}${duplicate ? " (stored before)" : ""}`);
  } else {
    await output.write(output.line(count === 1 ? { sequence, duplicate } : { first, last: sequence, duplicate }));
  }
}
