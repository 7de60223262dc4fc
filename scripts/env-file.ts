import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";

import { fileFault } from "./file-fault.ts";
import { withNewKey } from "./jwks.ts";

const root = join(import.meta.dirname, "..");

/** The settings of a server on this machine, one `NAME=value` a line. */
export const ENV_FILE = join(root, ".env");

/** Writes .env with a new key, and a new one to sign tokens with, unless there is such a file. */
export function createEnvFile(): void {
  if (existsSync(ENV_FILE)) {
    return;
  }
  const { API_KEY, TOKEN_KEYS } = newKeys();
  const text = readFileSync(join(root, ".env.example"), "utf8")
    .replace(/^API_KEY=.*$/m, API_KEY)
    .replace(/^# TOKEN_KEYS=.*$/m, TOKEN_KEYS);
  writeSecrets(ENV_FILE, text);
  console.log("Wrote .env with a new API_KEY and TOKEN_KEYS.");
}

/** What is in .env; nothing when there is no such file. @throws Error What one line says when it can not be read. */
export function readEnvFile(): NodeJS.Dict<string> {
  try {
    return existsSync(ENV_FILE) ? parseEnv(readFileSync(ENV_FILE, "utf8")) : {};
  } catch (error) {
    const remedy = "make it a file that can be read, or move it away";
    throw fileFault(error, { tried: "read", where: `settings are in ${ENV_FILE}`, remedy });
  }
}

/** Writes a file with the keys of a new deployment. @throws Error When there is such a file. */
export function createKeysFile(file: string): void {
  const { API_KEY, TOKEN_KEYS } = newKeys();
  writeSecrets(file, `${API_KEY}\n${TOKEN_KEYS}\n`);
}

/** New keys, as lines of a file of settings. */
function newKeys(): { API_KEY: string; TOKEN_KEYS: string } {
  return {
    API_KEY: `API_KEY=${randomBytes(32).toString("base64url")}`,
    TOKEN_KEYS: `TOKEN_KEYS='${JSON.stringify(withNewKey("HS256"))}'`,
  };
}

/** Writes a new file that only its owner can read. */
function writeSecrets(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600, flag: "wx" });
}
