/**
 * `npm run deploy`: builds the Worker and puts it on Cloudflare; `wrangler login` first, or a CLOUDFLARE_API_TOKEN. The R2 bucket
 * is made when there is none. Without an API_KEY nothing is deployed: the Worker has it from before, or it is in a file of
 * secrets. Flags after `--` go on to `wrangler deploy`: `--env staging`, `--dry-run`, `--secrets-file FILE`; and
 *
 * - `--new-keys FILE`, for the first time: writes a new API_KEY and TOKEN_KEYS to a file that is not there yet, and deploys with
 *   them. Keep the file where you keep keys: they can not be read back.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { loadEnvFile } from "node:process";
import { parseArgs, parseEnv } from "node:util";

import { createKeysFile } from "./env-file.ts";
import { fileFault } from "./file-fault.ts";

const root = join(import.meta.dirname, "..");

/** Characters of the shortest API_KEY that is deployed: as many as 16 random bytes have in base64. */
const LEAST_KEY_CHARACTERS = 22;

try {
  process.exitCode = await deploy(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

/** @returns The exit code of wrangler. */
async function deploy(flags: readonly string[]): Promise<number> {
  const { newKeys, secretsFile, rest } = readFlags(flags);
  if (newKeys !== undefined && secretsFile !== undefined) {
    throw new Error("--new-keys and --secrets-file exclude each other");
  }
  if (newKeys !== undefined) {
    writeKeys(newKeys);
    console.log(`Wrote ${newKeys} with a new API_KEY and TOKEN_KEYS.`);
  }
  const file = newKeys ?? secretsFile;
  const code =
    file === undefined
      ? await wrangler(["deploy", ...rest], [])
      : await wrangler(["deploy", ...rest, "--secrets-file", file], secretsIn(file));
  if (code !== 0 && newKeys !== undefined) {
    console.error(`Not deployed. To go on with the keys that were made: npm run deploy -- --secrets-file ${newKeys}`);
  }
  return code;
}

/** Tells the flags of this script from those of wrangler. */
function readFlags(args: readonly string[]) {
  const options = { "new-keys": { type: "string" }, "secrets-file": { type: "string" } } as const;
  const { values, tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  const own = new Set(
    tokens.flatMap((token) =>
      token.kind === "option" && token.name in options
        ? [token.index, ...(token.inlineValue === false ? [token.index + 1] : [])]
        : [],
    ),
  );
  return {
    newKeys: fileOf(values["new-keys"], "--new-keys"),
    secretsFile: fileOf(values["secrets-file"], "--secrets-file"),
    rest: args.filter((_, index) => !own.has(index)),
  };
}

function fileOf(value: string | boolean | undefined, flag: string): string | undefined {
  if (typeof value === "boolean" || value === "") {
    throw new Error(`${flag} takes a file`);
  }
  // Wrangler runs in the folder of the repository.
  return value === undefined ? undefined : resolve(value);
}

/** The names in a file of secrets. @throws Error When it has no API_KEY that can be one: wrangler looks at the name alone. */
function secretsIn(file: string): string[] {
  const secrets = parseSecrets(file);
  const key = secrets["API_KEY"];
  if (key !== undefined && (typeof key !== "string" || key.length < LEAST_KEY_CHARACTERS)) {
    throw new Error(
      `API_KEY in ${file} is shorter than ${LEAST_KEY_CHARACTERS} characters: \`openssl rand -base64 32\` makes one`,
    );
  }
  return Object.keys(secrets);
}

function writeKeys(file: string): void {
  try {
    createKeysFile(file);
  } catch (error) {
    const remedy = "it takes a new file; one with keys is for --secrets-file";
    throw fileFault(error, { tried: "write", where: `--new-keys names ${file}`, remedy });
  }
}

function readSecrets(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const remedy = "it takes a file with an API_KEY, which --new-keys writes";
    throw fileFault(error, { tried: "read", where: `--secrets-file names ${file}`, remedy });
  }
}

/** JSON or lines, as wrangler reads it. */
function parseSecrets(file: string): Record<string, unknown> {
  const text = readSecrets(file);
  try {
    return text.trimStart().startsWith("{") ? JSON.parse(text) : parseEnv(text);
  } catch {
    // The error of `JSON.parse` would print a piece of the secrets.
    throw new Error(`${file} begins as JSON and is none`);
  }
}

async function wrangler(args: readonly string[], secrets: readonly string[]): Promise<number> {
  loadEnvFile(join(root, "scripts/wrangler.env"));
  for (const name of secrets) {
    // Wrangler puts the environment before the file.
    delete process.env[name];
  }
  const program = join(root, "node_modules/wrangler/bin/wrangler.js");
  const child = spawn(process.execPath, [program, ...args], { cwd: root, stdio: "inherit" });
  const [code] = await once(child, "exit");
  return typeof code === "number" ? code : 1;
}
