import { chmod, mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

import { local } from "./failure.ts";

/** A server and its key. */
export type Context = { readonly url: string; readonly token: string };

/** The servers that were added, by name, and the one in use. */
export type Contexts = { readonly current?: string | undefined; readonly contexts: Readonly<Record<string, Context>> };

/** The bits of a mode by which others than the owner may do anything. */
const OTHERS = 0o077;

/** Where contexts are kept: in the configuration folder of the XDG base directory specification. */
export function contextsFile(env: NodeJS.ProcessEnv): string {
  const folder = env["XDG_CONFIG_HOME"];
  return join(
    folder === undefined || folder === "" ? join(homedir(), ".config") : folder,
    "durable-stream/contexts.json",
  );
}

/** The contexts; none where there is no file. @throws Failure When others may read it, or it is not what was written. */
export async function readContexts(file: string): Promise<Contexts> {
  let text: string;
  try {
    const { mode } = await stat(file);
    // Windows has no such bits.
    if (process.platform !== "win32" && (mode & OTHERS) !== 0) {
      throw local(`${file} holds keys and may be read by others: chmod 600 it`);
    }
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return { contexts: {} };
    }
    throw error;
  }
  const found = parsed(text);
  if (!isContexts(found)) {
    throw local(`${file} is not what this program wrote`);
  }
  return found;
}

/** Writes the contexts, readable by the owner alone; as a whole or not at all. */
export async function writeContexts(file: string, contexts: Contexts): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(contexts, undefined, 2)}\n`, { mode: 0o600 });
  // A mask may take bits away, and a draft that was left behind may have more.
  await chmod(draft, 0o600);
  await rename(draft, file);
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    // Safe: what is no JSON is no contexts.
    return undefined;
  }
}

function isContexts(value: unknown): value is Contexts {
  return (
    isRecord(value) &&
    isRecord(value["contexts"]) &&
    Object.values(value["contexts"]).every(
      (context) => isRecord(context) && typeof context["url"] === "string" && typeof context["token"] === "string",
    )
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
