import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

import type { Command } from "commander";

import type { From } from "../../index.ts";
import type { Cli } from "../cli.ts";
import { command } from "../command.ts";
import { usage } from "../failure.ts";
import { pagesOf } from "../messages/pages.ts";
import { recordOf } from "../messages/record.ts";
import type { MessageRecord } from "../messages/record.ts";
import { rateText } from "../text.ts";
import { from } from "../values.ts";

type Options = { readonly file?: string; readonly from?: From };

/** What is read of the end of a file to find its last lines: more than two of the longest messages. */
const TAIL_BYTES = 4_194_304;

/** `export`: a stream as lines of JSON. */
export function exportCommand(cli: Cli): Command {
  return command("export <stream>", {
    summary: "write the messages that a stream has now as lines of JSON, for import",
    examples: [
      ["export orders --file orders.jsonl", "again after a break, or later: goes on behind the last line"],
      ["export orders | gzip > orders.jsonl.gz", ""],
    ],
  })
    .option("-f, --file <file>", "the file; one that is there is continued")
    .option("--from <start>", "where to start: first, a sequence, a time, 5m (ago), last:N", from)
    .action((stream: string, options: Options) => exportStream(cli, stream, options));
}

async function exportStream(cli: Cli, stream: string, { file, from: start = "first" }: Options): Promise<void> {
  if (file === undefined) {
    await copy(cli, { stream, from: start }, (text) => cli.output.write(text));
    return;
  }
  const handle = await open(file, "a+");
  try {
    const { bytes, last } = await tailOf(handle);
    await handle.truncate(bytes);
    if (last !== undefined) {
      cli.output.note(`goes on behind message ${last.sequence}`);
    }
    // The server refuses to go on where it has another message: another stream, or one that was restored.
    const behind = last && { sequence: last.sequence + 1, previousPublishedAt: last.publishedAt };
    const reading = { stream, from: behind ?? start, last: last?.sequence };
    await copy(cli, reading, async (text) => {
      await handle.write(text);
    });
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function copy(
  cli: Cli,
  { stream, from: start, last }: { stream: string; from: From; last?: number | undefined },
  write: (text: string) => Promise<void>,
): Promise<void> {
  const client = await cli.connect();
  const signal = cli.inOrder();
  const startedAt = performance.now();
  let count = 0;
  let at = last ?? 0;
  let lastSequence = 0;
  for await (const { messages, end } of pagesOf(cli, client, { stream, from: start })) {
    await write(messages.map((message) => cli.output.line(message)).join(""));
    count += messages.length;
    at = messages.at(-1)?.sequence ?? at;
    lastSequence = end;
    cli.output.progress(`${rateText(count, "messages", performance.now() - startedAt)}, at ${at} of ${end}`);
    if (signal.aborted) {
      break;
    }
  }
  cli.output.note(`exported ${rateText(count, "messages", performance.now() - startedAt)}`);
  cli.throwIfInterrupted();
  if (at < lastSequence) {
    // Behind the last message others were deleted: their sequences are used.
    await write(cli.output.line({ lastSequence }));
  }
}

/** The whole lines of an export that was broken off: how many bytes they are, and the last message. */
async function tailOf(handle: FileHandle): Promise<{ bytes: number; last?: MessageRecord }> {
  const { size } = await handle.stat();
  const start = Math.max(0, size - TAIL_BYTES);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - start), 0, size - start, start);
  for (let end = bytesRead; ;) {
    const lineEnd = buffer.lastIndexOf("\n", end - 1);
    if (end === 0 || lineEnd === -1) {
      if (start > 0) {
        throw usage("the end of the file is no export");
      }
      return { bytes: 0 };
    }
    const lineStart = lineEnd === 0 ? 0 : buffer.lastIndexOf("\n", lineEnd - 1) + 1;
    const record = recordOf({ text: buffer.toString("utf8", lineStart, lineEnd), number: 0 }, "the last line");
    if ("sequence" in record) {
      return { bytes: start + lineEnd + 1, last: record };
    }
    end = lineStart;
  }
}
