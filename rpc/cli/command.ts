import { Command } from "commander";

/** What a command does in one line, and how it is used: each example with what it is for. */
export type About = { readonly summary: string; readonly examples: readonly (readonly [line: string, use: string])[] };

/** A command whose help ends with examples. @param form Its name and arguments, like `info [stream]`. */
export function command(form: string, { summary, examples }: About): Command {
  const width = Math.max(0, ...examples.map(([line]) => line.length));
  const lines = examples.map(([line, use]) => `  $ durable-stream ${line.padEnd(width)}  ${use}`.trimEnd());
  const [name, ...rest] = form.split(" ");
  const made = new Command(name);
  rest.forEach((argument) => made.argument(argument));
  return made
    .summary(summary)
    .description(sentence(summary))
    .addHelpText("after", lines.length === 0 ? "" : `\nExamples:\n${lines.join("\n")}`);
}

/** A group of commands, like `consumer`. */
export function group(name: string, summary: string, commands: readonly Command[]): Command {
  const parent = new Command(name).summary(summary).description(sentence(summary));
  commands.forEach((each) => parent.addCommand(each));
  return parent;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
