import { createWriteStream, openAsBlob } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

import type { Command } from "commander";

import type { ObjectBody, PutOptions } from "../../client.ts";
import type { ObjectInfo } from "../../index.ts";
import type { Cli } from "../cli.ts";
import { command, group } from "../command.ts";
import { local, usage } from "../failure.ts";
import { countText, sizeText } from "../text.ts";
import { given, pair, whole } from "../values.ts";

type PutFlags = {
  readonly type?: string;
  readonly meta?: Record<string, string>;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: true;
};
type ListFlags = { readonly prefix?: string; readonly delimiter?: string; readonly limit?: number };

/** Most objects of a page, as the contract has it, and most that a terminal is shown unless it asks for more. */
const PAGE = 1_000;

/** `object put`, `get`, `ls` and `rm`. */
export function objectCommands(cli: Cli): Command {
  return group("object", "objects: bodies of any size", [
    putCommand(cli),
    getCommand(cli),
    listCommand(cli),
    removeCommand(cli),
  ]);
}

function putCommand(cli: Cli): Command {
  return command("put <key> [file]", {
    summary: "store a file, or the standard input, of any size",
    examples: [
      ["object put scans/17.tiff 17.tiff --type image/tiff", ""],
      ["object put backup.tar.gz", "from a pipe: tar cz . | durable-stream object put backup.tar.gz"],
    ],
  })
    .option("--type <media type>", "its media type")
    .option("--meta <name=value>", "metadata; may be given again", pair)
    .option("--if-match <etag>", "replace this version only")
    .option("--if-none-match", "only if there is none of that key")
    .action(async (key: string, file: string | undefined, flags: PutFlags) => {
      const { type: contentType, meta: metadata, ifMatch, ifNoneMatch } = flags;
      const body = await bodyOf(cli, file);
      const client = await cli.connect();
      // Without a connection or with a wrong key it ends here, before a large body is sent over HTTP.
      await client.getServerInfo();
      const conditions = given({ ifMatch, ifNoneMatch: ifNoneMatch && "*" });
      const options: PutOptions = { ...given({ contentType, metadata }), ...conditions, signal: cli.inOrder() };
      const info = await client.objects.put(key, body, options);
      cli.output.progress("");
      await cli.output.record(info);
    });
}

function getCommand(cli: Cli): Command {
  return command("get <key> [file]", {
    summary: "write an object to a file, or to the standard output",
    examples: [
      ["object get scans/17.tiff 17.tiff", "a file that is there is replaced when all has come"],
      ["object get backup.tar.gz | tar xz", ""],
    ],
  }).action(async (key: string, file: string | undefined) => {
    if (file === undefined && cli.output.isTerminal) {
      throw usage("this would write the object to the terminal: give a file, or - to do so");
    }
    const client = await cli.connect();
    const signal = cli.inOrder();
    const { body, size } = await client.objects.get(key, { signal });
    let done = 0;
    const counting = new Transform({
      transform: (chunk: Uint8Array, _encoding, pass) => {
        done += chunk.length;
        cli.output.progress(progressText(done, size));
        pass(null, chunk);
      },
    });
    const source = Readable.fromWeb(body);
    if (file === undefined || file === "-") {
      await pipeline(source, async (chunks: AsyncIterable<Uint8Array>) => {
        for await (const chunk of chunks) {
          await cli.output.write(chunk);
        }
      });
      return;
    }
    const draft = `${file}.part`;
    try {
      await pipeline(source, counting, createWriteStream(draft));
      await rename(draft, file);
    } catch (error) {
      await rm(draft, { force: true });
      signal.throwIfAborted();
      throw error;
    }
    cli.output.progress("");
    await cli.output.said(`${file}: ${sizeText(size)}`);
  });
}

function listCommand(cli: Cli): Command {
  return command("ls [prefix]", {
    summary: "list objects, in the order of their keys",
    examples: [
      ["object ls scans/", ""],
      ["object ls --delimiter / scans/", "one folder level"],
    ],
  })
    .option("--delimiter <text>", "group keys that contain it after the prefix: / lists one folder level")
    .option("--limit <n>", "most of them; 1,000 on a terminal, else all unless given", whole(1))
    .action(async (prefix: string | undefined, { delimiter, limit }: ListFlags) => {
      const client = await cli.connect();
      const most = limit ?? (cli.output.form.isHuman ? PAGE : Number.POSITIVE_INFINITY);
      let count = 0;
      let cursor: string | undefined;
      do {
        const page = await client.listObjects(
          given({ prefix, delimiter, cursor, limit: Math.min(PAGE, most - count) }),
        );
        const rows: (Partial<ObjectInfo> & { key: string })[] = [
          ...page.prefixes.map((key) => ({ key })),
          ...page.objects,
        ];
        count += rows.length;
        ({ cursor } = page);
        if (rows.length > 0) {
          await cli.output.table(rows, ["key", "size", "contentType", "uploadedAt", "etag"]);
        }
      } while (cursor !== undefined && count < most);
      if (cursor !== undefined) {
        cli.output.note(`there are more than ${countText(count)}: see --limit`);
      }
    });
}

function removeCommand(cli: Cli): Command {
  return command("rm <keys...>", {
    summary: "delete objects; one that does not exist is no error",
    examples: [["object rm scans/17.tiff scans/18.tiff", "asks on a terminal"]],
  })
    .option("-y, --yes", "do not ask")
    .action(async (keys: string[], { yes }: { yes?: true }) => {
      const what = keys.length === 1 ? keys[0] : `${keys.length} objects`;
      await cli.confirm(`Delete ${what}?`, yes);
      const client = await cli.connect();
      for (let at = 0; at < keys.length; at += PAGE) {
        await client.objects.delete(keys.slice(at, at + PAGE));
      }
    });
}

/** A file as a Blob, which can be sent again; a pipe as a stream. Either tells how far it is. */
async function bodyOf(cli: Cli, file: string | undefined): Promise<ObjectBody> {
  if (file === undefined || file === "-") {
    if (cli.stdin.isTTY) {
      throw usage("no body: give a file, or one on the standard input");
    }
    let done = 0;
    const counting = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        done += chunk.length;
        cli.output.progress(sizeText(done));
        controller.enqueue(chunk);
      },
    });
    // The types of Node.js tell nothing of the chunks, which are bytes.
    return (Readable.toWeb(cli.stdin) as ReadableStream<Uint8Array>).pipeThrough(counting);
  }
  try {
    const { size } = await stat(file);
    return new WatchedBlob(await openAsBlob(file), (done) => cli.output.progress(progressText(done, size)));
  } catch (error) {
    throw local(error instanceof Error ? error.message : String(error));
  }
}

/** A Blob that tells how much of it was read, each time that it is read. */
class WatchedBlob extends Blob {
  override readonly size: number;
  readonly #blob: Blob;
  readonly #read: (bytes: number) => void;

  constructor(blob: Blob, read: (bytes: number) => void) {
    super([]);
    this.#blob = blob;
    this.size = blob.size;
    this.#read = read;
  }

  override stream(): ReturnType<Blob["stream"]> {
    let done = 0;
    const counting = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform: (chunk, controller) => {
        done += chunk.length;
        this.#read(done);
        controller.enqueue(chunk);
      },
    });
    return this.#blob.stream().pipeThrough(counting);
  }
}

function progressText(done: number, size: number): string {
  return `${Math.floor((100 * done) / Math.max(size, 1))} %  ${sizeText(done)} of ${sizeText(size)}`;
}
