import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { createEnvFile, ENV_FILE, readEnvFile } from "../env-file.ts";
import { fileFault } from "../file-fault.ts";
import type { ServeOptions } from "./options.ts";

const root = join(import.meta.dirname, "../..");

/** What `--help` prints. */
export const HELP = `npm start: Durable Stream as a server on this machine

  npm start -- [flags]

  flag        environment              what                                       unless given
  --port      DURABLE_STREAM_PORT      where it listens; 0 for a free one         8787
  --host      DURABLE_STREAM_HOST      an address of this machine, 0.0.0.0 for    127.0.0.1
                                       all: put TLS before it then
  --data      DURABLE_STREAM_DATA      the folder of all that is stored           .durable-stream
  --key-file  DURABLE_STREAM_KEY_FILE  a file that holds the key                  API_KEY
  --help                               this text

API_KEY is the key that clients send; the vars are those of wrangler.toml, API_KEY_PREVIOUS and what begins with TOKEN_ is as
in .env.example. A flag goes before the environment, and that before .env, which is written with new keys when there is no key
and no such file.
`;

/** The settings beside API_KEY that are passed on as they are. */
const TEXTS = [
  "ALLOWED_ORIGINS",
  "API_KEY_PREVIOUS",
  "LOG_FAILED_CALLS",
  "TOKEN_KEYS",
  "TOKEN_JWKS_URL",
  "TOKEN_ISSUER",
  "TOKEN_AUDIENCE",
];

/** The vars of wrangler.toml that are numbers, which the environment may replace. */
const NUMBERS = ["GATEWAY_SHARDS", "MAX_STREAM_BYTES", "PUBLISHES_PER_SECOND", "SOCKETS_PER_SUBJECT"];

/**
 * What `npm start` is asked for by its flags and the environment; "help" when that is all. Throws what one line says when
 * it is not as it has to be.
 */
export function readSettings(args: string[]): Omit<ServeOptions, "worker"> | "help" {
  const { port, host, data, "key-file": keyFile, help } = readFlags(args);
  if (help === true) {
    return "help";
  }
  loadSettings();
  return {
    port: readPort(port ?? environment("DURABLE_STREAM_PORT") ?? "8787"),
    host: readHost(host ?? environment("DURABLE_STREAM_HOST") ?? "127.0.0.1"),
    data: resolve(data ?? environment("DURABLE_STREAM_DATA") ?? join(root, ".durable-stream")),
    vars: {
      // For who works with it here; a line costs nothing.
      LOG_FAILED_CALLS: "true",
      ...Object.fromEntries(NUMBERS.flatMap((name) => readNumber(name))),
      API_KEY: readKey(keyFile),
      // Behind the key: it may have written .env.
      ...Object.fromEntries(TEXTS.flatMap((name) => readText(name))),
    },
  };
}

function readFlags(args: string[]) {
  const value = { type: "string" } as const;
  try {
    return parseArgs({
      args,
      options: { port: value, host: value, data: value, "key-file": value, help: { type: "boolean", short: "h" } },
    }).values;
  } catch (error) {
    throw new Error(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Adds what is in .env to the environment, which goes before it. */
function loadSettings(): void {
  for (const [name, value] of Object.entries(readEnvFile())) {
    process.env[name] ??= value;
  }
}

/** An empty variable is none. */
function environment(name: string): string | undefined {
  return process.env[name] === "" ? undefined : process.env[name];
}

function readPort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw new Error(`the port is a number up to 65535, not "${text}"`);
  }
  return port;
}

function readHost(text: string): string {
  if (isIP(text) === 0 && text !== "localhost") {
    throw new Error(`the host is an IP address of this machine or localhost, not "${text}"`);
  }
  return text;
}

function readText(name: string): [string, string][] {
  const text = environment(name);
  return text === undefined ? [] : [[name, text]];
}

function readNumber(name: string): [string, string][] {
  const text = environment(name);
  if (text === undefined) {
    return [];
  }
  if (!/^[1-9]\d{0,14}$/.test(text)) {
    throw new Error(`${name} is a whole number from 1 on, not "${text}"`);
  }
  return [[name, text]];
}

function readKey(flag: string | undefined): string {
  const file = flag ?? environment("DURABLE_STREAM_KEY_FILE");
  if (file !== undefined) {
    return keyIn(file, flag === undefined ? "DURABLE_STREAM_KEY_FILE" : "--key-file");
  }
  if (process.env["API_KEY"] === undefined && !existsSync(ENV_FILE)) {
    createEnvFile();
    loadSettings();
  }
  const key = environment("API_KEY");
  if (key === undefined) {
    throw new Error("there is no key: set API_KEY in the environment or .env, or give a --key-file");
  }
  return key;
}

function keyIn(file: string, setting: string): string {
  const where = `${setting} names ${file}`;
  const remedy = "put the key in such a file, or leave the setting out to use API_KEY";
  let key: string;
  try {
    key = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw fileFault(error, { tried: "read", where, remedy });
  }
  if (key === "") {
    throw new Error(`${where}, which is empty: ${remedy}`);
  }
  return key;
}
