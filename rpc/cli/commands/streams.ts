import type { Command } from "commander";

import type { Cli } from "../cli.ts";
import { command } from "../command.ts";
import { countText } from "../text.ts";
import { whole } from "../values.ts";

/** `info`: a stream, or the server. */
export function infoCommand(cli: Cli): Command {
  return command("info [stream]", {
    summary: "show what a stream holds and how it is configured, or the server and its limits",
    examples: [
      ["info orders", "a stream"],
      ["info", "the server: is it there, is the key right, what are its limits"],
    ],
  }).action(async (stream: string | undefined) => {
    const client = await cli.connect();
    await cli.output.record(
      stream === undefined ? await client.getServerInfo() : await client.getStreamInfo({ stream }),
    );
  });
}

/** `trim`: deletes the oldest messages. */
export function trimCommand(cli: Cli): Command {
  return command("trim <stream>", {
    summary: "delete the messages up to and with a sequence",
    examples: [["trim orders --through 1000 --yes", "what comes next is 1001"]],
  })
    .requiredOption("--through <sequence>", "the last message to delete", whole(1))
    .option("-y, --yes", "do not ask")
    .action(async (stream: string, { through, yes }: { through: number; yes?: true }) => {
      const client = await cli.connect();
      const { epoch, messages } = await client.getStreamInfo({ stream });
      await cli.confirm(`Delete messages of ${stream} up to ${through}? It has ${countText(messages)}.`, yes);
      await cli.output.record(await client.deleteMessages({ stream, through, epoch }));
    });
}

/** `rm`: deletes streams. */
export function removeCommand(cli: Cli): Command {
  return command("rm <stream>", {
    summary: "delete a stream with its messages, state and consumers",
    examples: [["rm orders", "asks on a terminal"]],
  })
    .option("-y, --yes", "do not ask")
    .action(async (stream: string, { yes }: { yes?: true }) => {
      const client = await cli.connect();
      const { epoch, messages, consumers } = await client.getStreamInfo({ stream });
      await cli.confirm(
        `Delete ${stream} with ${countText(messages)} messages and ${countText(consumers)} consumers?`,
        yes,
      );
      // The stream that was asked about: one that was made since stays.
      await cli.output.record(await client.deleteStream({ stream, epoch }));
    });
}
