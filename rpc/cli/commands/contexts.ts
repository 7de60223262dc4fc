import type { Command } from "commander";

import type { Cli } from "../cli.ts";
import { command, group } from "../command.ts";
import { contextsFile, readContexts, writeContexts } from "../contexts.ts";
import type { Contexts } from "../contexts.ts";
import { usage } from "../failure.ts";
import { readToken, urlOf } from "../server.ts";

/** `context add`, `use`, `ls` and `rm`. */
export function contextCommands(cli: Cli): Command {
  const file = contextsFile(cli.env);
  const add = command("add <name>", {
    summary: "keep a server's URL and key, in a file that only you can read",
    examples: [
      ["context add work --url https://streams.example.com", "asks for the key"],
      ["context add work --url https://streams.example.com --token-file key.txt", ""],
    ],
  }).action(async (name: string) => {
    if (cli.flags.url === undefined) {
      throw usage("give the server by --url");
    }
    const url = urlOf(cli.flags.url);
    const token = await tokenOf(cli);
    const { current, contexts } = await readContexts(file);
    await writeContexts(file, { current: current ?? name, contexts: { ...contexts, [name]: { url, token } } });
    await cli.output.said(`kept in ${file}`);
  });
  const use = command("use <name>", {
    summary: "take a context for every command that names none",
    examples: [["context use work", ""]],
  }).action(async (name: string) => {
    const kept = await readContexts(file);
    expectKnown(kept, name);
    await writeContexts(file, { ...kept, current: name });
  });
  const list = command("ls", {
    summary: "list the contexts, without their keys",
    examples: [["context ls", ""]],
  }).action(async () => {
    const { current, contexts } = await readContexts(file);
    const rows = Object.entries(contexts).map(([name, { url }]) => ({ name, url, inUse: name === current }));
    await cli.output.table(rows, ["name", "url", "inUse"]);
  });
  const remove = command("rm <name>", { summary: "forget a context", examples: [["context rm work", ""]] }).action(
    async (name: string) => {
      const kept = await readContexts(file);
      expectKnown(kept, name);
      const { [name]: _removed, ...contexts } = kept.contexts;
      await writeContexts(file, { current: kept.current === name ? undefined : kept.current, contexts });
    },
  );
  return group("context", "servers and their keys, by name", [add, use, list, remove]);
}

async function tokenOf(cli: Cli): Promise<string> {
  const { tokenFile } = cli.flags;
  const fromEnv = cli.env["DURABLE_STREAM_TOKEN"];
  if (tokenFile !== undefined) {
    return readToken(tokenFile);
  }
  if (fromEnv) {
    return fromEnv;
  }
  const asked = cli.isInteractive ? await cli.askSecret("Key: ") : "";
  if (asked === "") {
    throw usage("no key: give --token-file, or set DURABLE_STREAM_TOKEN");
  }
  return asked;
}

function expectKnown({ contexts }: Contexts, name: string): void {
  if (!Object.hasOwn(contexts, name)) {
    throw usage(`there is no context "${name}": see context ls`);
  }
}
