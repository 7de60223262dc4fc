import type { Command } from "commander";

import type { Cli } from "../cli.ts";
import { command } from "../command.ts";
import { countText } from "../text.ts";
import { given, whole } from "../values.ts";

/** Most streams of a page, and most that a terminal is shown unless it asks for more. */
const PAGE = 1_000;

/** `ls`: the streams of a server. */
export function listCommand(cli: Cli): Command {
  return command("ls [prefix]", {
    summary: "list streams, by name",
    examples: [
      ["ls", "all of them"],
      ["ls orders.", "those whose name begins so"],
    ],
  })
    .option("--limit <n>", "most of them; 1,000 on a terminal, else all unless given", whole(1))
    .action(async (prefix: string | undefined, { limit }: { limit?: number }) => {
      const client = await cli.connect();
      const most = limit ?? (cli.output.form.isHuman ? PAGE : Number.POSITIVE_INFINITY);
      let count = 0;
      let after: string | undefined;
      do {
        const page = await client.listStreams(given({ prefix, after, limit: Math.min(PAGE, most - count) }));
        count += page.streams.length;
        ({ after } = page);
        if (page.streams.length > 0) {
          await cli.output.table(page.streams, ["stream", "createdAt", "epoch"]);
        }
      } while (after !== undefined && count < most);
      if (after !== undefined) {
        cli.output.note(`there are more than ${countText(count)}: see --limit`);
      }
    });
}
