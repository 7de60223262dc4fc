/**
 * Finds the peers, or installs them into the cache: `npx node test/bench/peers/install.ts`. Never anything system-wide.
 */
import { execFile } from "node:child_process";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

import { MODULES, UNPACKED } from "./cache.ts";
import { unpack, unpackedEnvironment } from "./debian.ts";

const run = promisify(execFile);

/** Exact versions, so that two runs compare. They are not in package.json, as nothing else needs them. */
const PACKAGES = {
  "@durable-streams/server": "0.3.7",
  "@nats-io/jetstream": "3.4.0",
  "@nats-io/transport-node": "3.4.0",
  ioredis: "6.0.0",
};

/** A program of a peer: its path, and the environment that it runs in. */
export type Program = { readonly path: string; readonly env: NodeJS.ProcessEnv; readonly version: string };

/** What was found or installed; what was not is left out. */
export type Installed = {
  readonly redis?: Program;
  readonly nats?: Program;
  readonly strace?: Program;
  /** The folder whose node_modules has the peers' packages of npm. */
  readonly modules?: string;
};

/** @param say Told what is being installed and what could not be. */
export async function installPeers(say: (text: string) => void): Promise<Installed> {
  const redis = await program(say, { name: "redis-server", folders: ["usr/bin"], release: "own" });
  const nats = await program(say, { name: "nats-server", folders: ["usr/sbin", "usr/bin"], release: "newer" });
  const strace = await program(say, { name: "strace", folders: ["usr/bin"], release: "own" });
  const modules = await installModules(say);
  return {
    ...(redis === undefined ? {} : { redis }),
    ...(nats === undefined ? {} : { nats }),
    ...(strace === undefined ? {} : { strace }),
    ...(modules === undefined ? {} : { modules }),
  };
}

type Wanted = { name: string; folders: readonly string[]; release: "own" | "newer" };

/** From the PATH, or from the cache, or unpacked into it. */
async function program(say: (text: string) => void, wanted: Wanted): Promise<Program | undefined> {
  const { name, folders, release } = wanted;
  const ofPath = await firstThatRuns((process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name)));
  if (ofPath !== undefined) {
    return ofPath;
  }
  const paths = folders.map((folder) => join(UNPACKED, folder, name));
  const unpacked = await firstThatRuns(paths);
  if (unpacked !== undefined) {
    return unpacked;
  }
  say(`unpacking ${name} from Debian`);
  try {
    await unpack(name, release);
  } catch (error) {
    say(`there is no ${name}: ${firstLine(error)}`);
    return undefined;
  }
  return firstThatRuns(paths);
}

async function firstThatRuns(paths: readonly string[]): Promise<Program | undefined> {
  const env = await unpackedEnvironment();
  for (const path of paths) {
    try {
      await access(path);
      const { stdout } = await run(path, ["--version"], { env });
      const [version = ""] = /\d+\.\d+(\.\d+)?/.exec(stdout) ?? [];
      return { path, env, version };
    } catch {
      // Safe: the next one may be there.
    }
  }
  return undefined;
}

async function installModules(say: (text: string) => void): Promise<string | undefined> {
  try {
    const manifest = JSON.stringify({ private: true, dependencies: PACKAGES });
    const file = join(MODULES, "package.json");
    const installed = join(MODULES, "installed.json");
    if ((await readFile(installed, "utf8").catch(() => "")) === manifest) {
      return MODULES;
    }
    await mkdir(MODULES, { recursive: true });
    await writeFile(file, manifest);
    say("installing the peers' packages of npm");
    await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline"], { cwd: MODULES });
    // Written last: it says that all is there.
    await writeFile(installed, manifest);
    return MODULES;
  } catch (error) {
    say(`there are no clients of the peers: ${firstLine(error)}`);
    return undefined;
  }
}

function firstLine(error: unknown): string {
  return String(error).split("\n")[0] ?? "";
}

if (import.meta.main) {
  console.log(await installPeers((text) => console.error(text)));
}
