import { createReadStream } from "node:fs";

import type { Command } from "commander";

import type { Cli } from "../cli.ts";
import { command } from "../command.ts";
import { linesOf } from "../input.ts";
import { Importer } from "../messages/importer.ts";
import { Pipeline } from "../messages/pipeline.ts";
import { recordOf } from "../messages/record.ts";
import { countText, rateText } from "../text.ts";

type Options = { readonly file?: string; readonly ids: boolean };

/** `import`: an export into an empty stream, with its sequences. */
export function importCommand(cli: Cli): Command {
  return command("import <stream>", {
    summary: "store an export in an empty stream, each message with the sequence that it had",
    examples: [
      ["import orders-copy --file orders.jsonl", "again after a break: goes on where it was"],
      ["import orders-copy < orders.jsonl", ""],
    ],
  })
    .option("-f, --file <file>", "the export; - is the standard input")
    .option("--no-ids", "leave the publish ids out: messages with the same one would be stored once")
    .addHelpText(
      "after",
      `
Kept are sequences, data, subjects, headers and ids. Sequences that are not in the export are filled with placeholders,
which are deleted at the end. Not kept are the times, which are those of the import, the epoch, the config, the state,
consumers and producers.`,
    )
    .action((stream: string, options: Options) => importStream(cli, stream, options));
}

async function importStream(cli: Cli, stream: string, { file, ids }: Options): Promise<void> {
  const source = file === undefined || file === "-" ? cli.stdin : createReadStream(file, { highWaterMark: 262_144 });
  const client = await cli.connect({ order: "strict", ...Pipeline.QUEUE });
  const signal = cli.inOrder();
  const startedAt = performance.now();
  const pipeline = new Pipeline(signal, () => undefined);
  const importer = new Importer(client, pipeline, { stream, withIds: ids });
  try {
    await importer.begin();
    if (importer.there > 0) {
      cli.output.note(`goes on behind message ${importer.there}`);
    }
    for await (const lines of linesOf(source, signal)) {
      for (const line of lines) {
        await importer.take(recordOf(line), line.number);
      }
      pipeline.throwIfFailed();
      cli.output.progress(rateText(pipeline.stored, "messages", performance.now() - startedAt));
    }
    cli.throwIfInterrupted();
    await importer.finish();
  } finally {
    await pipeline.settled();
    const holes =
      importer.holes === 0 ? "" : `, ${countText(importer.holes)} placeholders among them, deleted at the end`;
    const last = pipeline.last === undefined ? "" : `, last sequence ${pipeline.last}`;
    cli.output.note(`stored ${rateText(pipeline.stored, "messages", performance.now() - startedAt)}${last}${holes}`);
  }
}
