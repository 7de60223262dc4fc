/**
 * Loaded into wrangler before it starts, by scripts/dev.ts. Where wrangler.toml says which secrets are required, `wrangler dev`
 * takes those from .env and no others: this gives it the ones that a server can do without, as it would have taken them. They
 * are arguments that only this process sees; those of its command line can be read by every process of this machine.
 */
import { isMainThread } from "node:worker_threads";

import { readEnvFile } from "../env-file.ts";

const OPTIONAL_SECRETS = ["API_KEY_PREVIOUS", "TOKEN_KEYS"];

if (isMainThread) {
  const settings = readEnvFile();
  for (const name of OPTIONAL_SECRETS) {
    const value = settings[name] ?? "";
    // One that is given as a flag goes before .env.
    if (value !== "" && !process.argv.some((flag) => flag.replace("--var=", "").startsWith(`${name}:`))) {
      process.argv.push("--var", `${name}:${value}`);
    }
  }
}
