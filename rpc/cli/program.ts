import { Command } from "commander";

import manifest from "../../package.json" with { type: "json" };
import type { Cli, GlobalFlags } from "./cli.ts";
import { benchCommand } from "./commands/bench.ts";
import { consumerCommands } from "./commands/consumers.ts";
import { contextCommands } from "./commands/contexts.ts";
import { deadCommands } from "./commands/dead.ts";
import { exportCommand } from "./commands/export.ts";
import { subCommand, tailCommand } from "./commands/follow.ts";
import { importCommand } from "./commands/import.ts";
import { listCommand } from "./commands/list.ts";
import { objectCommands } from "./commands/objects.ts";
import { pubCommand } from "./commands/publish.ts";
import { checkpointCommand, stateCommands } from "./commands/state.ts";
import { infoCommand, removeCommand, trimCommand } from "./commands/streams.ts";
import { tokenCommands } from "./commands/token.ts";
import { EXIT_CODES } from "./failure.ts";
import { PRECEDENCE } from "./server.ts";
import { escaped } from "./text.ts";

/** Every command, in the order of `--help`. */
const COMMANDS: readonly ((cli: Cli) => Command)[] = [
  pubCommand,
  subCommand,
  tailCommand,
  listCommand,
  infoCommand,
  trimCommand,
  removeCommand,
  stateCommands,
  checkpointCommand,
  consumerCommands,
  deadCommands,
  objectCommands,
  exportCommand,
  importCommand,
  benchCommand,
  tokenCommands,
  contextCommands,
];

/** The whole command line. It throws where commander would end the process. */
export function programOf(cli: Cli): Command {
  const program = new Command("durable-stream")
    .description("Numbered, durable messages: the command line of a Durable Stream server.")
    .version(manifest.version)
    .option("--url <url>", "the server: https://host")
    .option("--context <name>", "a server that was added by `context add`")
    .option("--token-file <file>", "a file with the key; - is the standard input")
    .option("--json", "lines of JSON, as in a pipe")
    .option("--human", "tables and lines for people, as on a terminal")
    .option("-v, --verbose", "say more: each sequence of a publish")
    .addHelpText("after", `\n${PRECEDENCE}\n\n${OUTPUT}\n\nExit codes:\n${exitCodes()}`)
    .hook("preAction", () => {
      cli.flags = program.opts<GlobalFlags>();
    });
  COMMANDS.forEach((each) => program.addCommand(each(cli)));
  inheritSettings(program);
  return program;
}

const OUTPUT = `Results go to stdout: tables on a terminal, a line of JSON each in a pipe. All else goes to stderr.
NO_COLOR and FORCE_COLOR are respected. On a terminal, what it would act on is shown as \\u001b.`;

/** `addCommand` passes on no settings, unlike `command`. An error is one line. */
function inheritSettings(parent: Command): void {
  parent
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      outputError: (text, write) =>
        write(
          `${escaped(
            text
              .replace(/^error: /, "")
              .trim()
              .replaceAll("\n", " "),
          )}\n`,
        ),
    });
  parent.commands.forEach(inheritSettings);
}

function exitCodes(): string {
  return Object.values(EXIT_CODES)
    .map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`)
    .join("\n");
}
