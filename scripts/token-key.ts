/**
 * Prints TOKEN_KEYS with a new key: a secret.
 *
 * `npx node scripts/token-key.ts [--alg HS256|ES256|EdDSA] [--before FILE]`
 *
 * - `--alg`: HS256 unless given, a secret that whoever signs tokens has to share. Of the others only the private key signs.
 * - `--before`: a file with the keys of now (`-` for stdin), which the new one is put in front of: from then on it signs, and
 *   tokens of the others are taken as before. A day later none of those is left, and they can be taken out.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { fileFault } from "./file-fault.ts";
import { isKeyAlgorithm, withNewKey } from "./jwks.ts";
import type { KeyAlgorithm, KeySet } from "./jwks.ts";

try {
  const { values } = parseArgs({ options: { alg: { type: "string", default: "HS256" }, before: { type: "string" } } });
  process.stdout.write(`${JSON.stringify(withNewKey(algorithmOf(values.alg), keysIn(values.before)))}\n`);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

function algorithmOf(name: string): KeyAlgorithm {
  if (!isKeyAlgorithm(name)) {
    throw new Error(`--alg is one of HS256, ES256 and EdDSA, not "${name}"`);
  }
  return name;
}

function keysIn(file: string | undefined): KeySet | undefined {
  return file === undefined ? undefined : parse(read(file));
}

function read(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    const remedy = "it takes the file with the keys of now, or is left out for the first";
    throw fileFault(error, { tried: "read", where: `--before names ${file}`, remedy });
  }
}

/** The error of `JSON.parse` would print a piece of the keys. */
function parse(text: string): KeySet {
  let parsed: Partial<KeySet> | null;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Said below, without the text.
    parsed = null;
  }
  if (!Array.isArray(parsed?.keys)) {
    throw new Error('--before is a file with a JWKS: {"keys":[…]}');
  }
  return { keys: parsed.keys };
}
