import { readFile } from "node:fs/promises";
import { stdin } from "node:process";

import type { Context } from "./contexts.ts";
import { contextsFile, readContexts } from "./contexts.ts";
import { local, usage } from "./failure.ts";
import { textOf } from "./input.ts";

/** The flags that say which server is meant. */
export type ServerFlags = {
  readonly url?: string;
  readonly context?: string;
  readonly tokenFile?: string;
};

const LOCAL_URL = "http://127.0.0.1:8787";

/** How a server and its key are found, for `--help`. */
export const PRECEDENCE = `Which server, the first that is given:
  --url, --context, DURABLE_STREAM_URL, the context in use, ${LOCAL_URL}
Which key, the first that is given:
  --token-file, DURABLE_STREAM_TOKEN (not beside --context), the key of the context that gave the URL
A key is never an argument, which other users of the machine could see, and a context's key goes to its URL only.`;

/**
 * The server that is meant, and its key.
 *
 * @throws Failure When there is no key, no such context, or two of them.
 */
export async function findServer(flags: ServerFlags, env: NodeJS.ProcessEnv): Promise<Context> {
  if (flags.url !== undefined && flags.context !== undefined) {
    throw usage("--url and --context both say which server: give one");
  }
  const kept = await keptContext(flags, env);
  const url = urlOf(flags.url ?? kept?.url ?? (env["DURABLE_STREAM_URL"] || LOCAL_URL));
  const fromEnv = flags.context === undefined ? env["DURABLE_STREAM_TOKEN"] : undefined;
  const token = flags.tokenFile === undefined ? fromEnv || kept?.token : await readToken(flags.tokenFile);
  if (token === undefined) {
    throw usage(`no key for ${url}: set DURABLE_STREAM_TOKEN, give --token-file, or add a context`);
  }
  return { url, token };
}

/** The key in a file; `-` is the standard input. */
export async function readToken(file: string): Promise<string> {
  const token = (file === "-" ? await textOf(stdin) : await read(file)).trim();
  if (token === "") {
    throw usage(`there is no key in ${file === "-" ? "the standard input" : file}`);
  }
  return token;
}

/** A URL of a server. @throws Failure For what is none. */
export function urlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^(http|ws)s?:$/.test(url.protocol)) {
    throw usage(`"${text}" is no URL of a server: https://host, or http://127.0.0.1:8787`);
  }
  if (url.username !== "" || url.password !== "") {
    throw usage(
      "a URL with a password is not taken: others could see it; set DURABLE_STREAM_TOKEN or give --token-file",
    );
  }
  return text;
}

/** The context that gives the URL; undefined when something else does. */
async function keptContext({ url, context }: ServerFlags, env: NodeJS.ProcessEnv): Promise<Context | undefined> {
  if (url !== undefined || (context === undefined && env["DURABLE_STREAM_URL"])) {
    return undefined;
  }
  const { current, contexts } = await readContexts(contextsFile(env));
  const name = context ?? current;
  const found = name !== undefined && Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (found === undefined && context !== undefined) {
    throw usage(`there is no context "${context}": see context ls`);
  }
  return found;
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw local(`the key can not be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
