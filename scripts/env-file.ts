import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { withNewKey } from "./jwks.ts";

const root = join(import.meta.dirname, "..");

/** The settings of a server on this machine, one `NAME=value` a line. */
export const ENV_FILE = join(root, ".env");

/** Writes .env with a new key, and a new one to sign tokens with, unless there is such a file. */
export function createEnvFile(): void {
  if (existsSync(ENV_FILE)) {
    return;
  }
  const key = randomBytes(32).toString("base64url");
  const tokenKeys = JSON.stringify(withNewKey("HS256"));
  const text = readFileSync(join(root, ".env.example"), "utf8")
    .replace(/^API_KEY=.*$/m, `API_KEY=${key}`)
    .replace(/^TOKEN_KEYS=.*$/m, `TOKEN_KEYS='${tokenKeys}'`);
  writeFileSync(ENV_FILE, text, { mode: 0o600, flag: "wx" });
  console.log("Wrote .env with a new API_KEY and TOKEN_KEYS.");
}
