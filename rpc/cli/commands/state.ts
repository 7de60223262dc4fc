import { createReadStream } from "node:fs";

import type { Command } from "commander";

import type { Cli } from "../cli.ts";
import { command, group } from "../command.ts";
import { usage } from "../failure.ts";
import { jsonOf, textOf } from "../input.ts";
import { escaped } from "../text.ts";
import { given, whole } from "../values.ts";

type Options = { readonly file?: string; readonly expectRevision?: number; readonly through: number };

/** `state get` and `state put`. */
export function stateCommands(cli: Cli): Command {
  const get = command("get <stream>", {
    summary: "print the state document of a stream and its revision",
    examples: [["state get orders | jq .state", ""]],
  }).action(async (stream: string) => {
    const client = await cli.connect();
    const { state, ...rest } = await client.getState({ stream });
    if (cli.output.form.isHuman) {
      await cli.output.record(rest);
      await cli.output.write(`${escapedLines(JSON.stringify(state, undefined, 2))}\n`);
    } else {
      await cli.output.write(cli.output.line({ ...rest, state }));
    }
  });
  const put = command("put <stream> [json]", {
    summary: "replace the state document: an argument, a file or the standard input",
    examples: [[`state put orders '{"open":3}' --expect-revision 4`, "only over revision 4"]],
  })
    .option("-f, --file <file>", "read it from a file; - is the standard input")
    .option("--expect-revision <revision>", "only if this is its revision; 0 before the first", whole(0))
    .action(async (stream: string, json: string | undefined, { file, expectRevision }: Options) => {
      const state = await documentOf(cli, json, file);
      const client = await cli.connect();
      await cli.output.record(await client.putState(given({ stream, state, expectedRevision: expectRevision })));
    });
  return group("state", "the state document of a stream", [get, put]);
}

/** `checkpoint`: the state, and with it a trim. */
export function checkpointCommand(cli: Cli): Command {
  return command("checkpoint <stream> [json]", {
    summary: "replace the state and delete the messages that it covers, in one transaction",
    examples: [[`checkpoint orders '{"open":3}' --through 1000`, "the state after message 1000"]],
  })
    .requiredOption("--through <sequence>", "the last message that the state covers", whole(0))
    .option("-f, --file <file>", "read the state from a file; - is the standard input")
    .option("--expect-revision <revision>", "only if this is its revision; 0 before the first", whole(0))
    .action(async (stream: string, json: string | undefined, { file, expectRevision, through }: Options) => {
      const state = await documentOf(cli, json, file);
      const client = await cli.connect();
      const params = given({ stream, state, through, expectedRevision: expectRevision });
      await cli.output.record(await client.checkpoint(params));
    });
}

async function documentOf(cli: Cli, json: string | undefined, file: string | undefined): Promise<unknown> {
  if (json !== undefined && file !== undefined) {
    throw usage("the state comes from an argument or from --file, not from both");
  }
  if (json === undefined && file === undefined && cli.stdin.isTTY) {
    throw usage("no state: give it as an argument, by --file or on the standard input");
  }
  const source = file === undefined || file === "-" ? cli.stdin : createReadStream(file);
  return jsonOf(json ?? (await textOf(source)), "the state");
}

/** JSON laid out in lines, each of them safe. */
function escapedLines(text: string): string {
  return text.split("\n").map(escaped).join("\n");
}
