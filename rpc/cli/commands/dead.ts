import type { Command } from "commander";

import type { DeadLetter } from "../../index.ts";
import type { Cli } from "../cli.ts";
import { command, group } from "../command.ts";
import { usage } from "../failure.ts";
import { given, sequences } from "../values.ts";

type Options = { readonly all?: true; readonly yes?: true };

const PAGE = 500;

/** `dead ls`, `dead retry` and `dead rm`. */
export function deadCommands(cli: Cli): Command {
  const list = command("ls <stream> <consumer>", {
    summary: "list the messages that a consumer delivers no more, and why",
    examples: [["dead ls orders packers", ""]],
  }).action(async (stream: string, consumer: string) => {
    const client = await cli.connect();
    const all: DeadLetter[] = [];
    for (let next: number | undefined = 1; next !== undefined;) {
      const page: DeadLetter[] = (await client.getDeadLetters({ stream, consumer, from: next, limit: PAGE }))
        .deadLetters;
      all.push(...page);
      const last = page.at(-1);
      next = page.length < PAGE || last === undefined ? undefined : last.sequence + 1;
    }
    await cli.output.table(all, ["sequence", "deliveries", "reason", "deadAt"]);
  });
  const retry = changing("retry", "deliver dead letters again, as if for the first time").action(
    async (stream: string, consumer: string, chosen: number[], { all }: Options) => {
      const params = given({ stream, consumer, sequences: chosenOf(chosen, all) });
      const client = await cli.connect();
      await cli.output.record(await client.retryDeadLetters(params));
    },
  );
  const remove = changing("rm", "delete dead letters; the stream keeps its messages")
    .option("-y, --yes", "do not ask")
    .action(async (stream: string, consumer: string, chosen: number[], { all, yes }: Options) => {
      const params = given({ stream, consumer, sequences: chosenOf(chosen, all) });
      await cli.confirm(`Delete ${all === true ? "all" : chosen.length} dead letters of ${consumer}?`, yes);
      const client = await cli.connect();
      await cli.output.record(await client.deleteDeadLetters(params));
    });
  return group("dead", "dead letters: messages that a consumer has given up", [list, retry, remove]);
}

function changing(name: string, summary: string): Command {
  return command(`${name} <stream> <consumer>`, {
    summary,
    examples: [
      [`dead ${name} orders packers 17 18`, "two of them"],
      [`dead ${name} orders packers --all`, "all of them"],
    ],
  })
    .argument("[sequences...]", "which", sequences, [])
    .option("--all", "all of them");
}

function chosenOf(chosen: number[], all: true | undefined): number[] | undefined {
  if (chosen.length > 0 === (all === true)) {
    throw usage("give sequences, or --all");
  }
  return all === true ? undefined : chosen;
}
