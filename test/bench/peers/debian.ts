import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";

import { CACHE, UNPACKED } from "./cache.ts";

const run = promisify(execFile);
const APT = "/etc/apt";
/** Debian's release after that of a system whose packages are too old. */
const NEWER = "trixie";
/** Libraries that every system has. */
const PRESENT = /^(libc6|libgcc-s1|libstdc\+\+6|libssl3|libssl3t64|libsystemd0)$/;

/**
 * Unpacks the program of a Debian package, and the libraries that it needs, into the cache: nothing is installed.
 *
 * @param release This system's, or a newer one.
 */
export async function unpack(packageName: string, release: "own" | "newer"): Promise<void> {
  const options = release === "own" ? [] : await optionsForNewer();
  const names = await withDependencies(packageName, options);
  const folder = join(CACHE, "packages", packageName);
  await mkdir(folder, { recursive: true });
  await run("apt-get", [...options, "download", ...names], { cwd: folder });
  await mkdir(UNPACKED, { recursive: true });
  for (const file of await readdir(folder)) {
    await run("dpkg-deb", ["-x", join(folder, file), UNPACKED]);
  }
  await rm(folder, { recursive: true });
}

/** The environment in which an unpacked program finds its libraries. */
export async function unpackedEnvironment(): Promise<NodeJS.ProcessEnv> {
  const libraries = join(UNPACKED, "usr/lib");
  const architectures = await readdir(libraries).catch(() => []);
  const folders = architectures.map((name) => join(libraries, name));
  return { ...process.env, LD_LIBRARY_PATH: [libraries, ...folders].join(":") };
}

/** The package, and what it and its tools depend on of the libraries that a system may lack. */
async function withDependencies(packageName: string, options: string[]): Promise<string[]> {
  const names = new Set([packageName]);
  for (const name of names) {
    const { stdout } = await run("apt-cache", [...options, "depends", "--important", name]);
    for (const [, dependency = ""] of stdout.matchAll(/^ {1,2}\|?Depends: ([a-z0-9.+-]+)$/gm)) {
      if (/^(lib|lua-|redis-tools$)/.test(dependency) && !PRESENT.test(dependency)) {
        names.add(dependency);
      }
    }
  }
  return [...names];
}

/** Options for apt by which it sees a newer release of the same mirrors, with lists of its own. */
async function optionsForNewer(): Promise<string[]> {
  const folder = join(CACHE, "apt");
  const sources = join(folder, "sources");
  const { VERSION_CODENAME: codename = "" } = Object.fromEntries(
    (await readFile("/etc/os-release", "utf8")).split("\n").map((line) => line.split("=")),
  ) as Record<string, string>;
  await Promise.all([sources, join(folder, "lists/partial"), join(folder, "archives/partial")].map(makeFolder));
  const files = (await readdir(join(APT, "sources.list.d"))).map((name) => join(APT, "sources.list.d", name));
  for (const file of [join(APT, "sources.list"), ...files]) {
    const text = /\.(list|sources)$/.test(file) ? await readFile(file, "utf8").catch(() => "") : "";
    if (text.includes(codename)) {
      await writeFile(join(sources, basename(file)), text.replaceAll(codename, NEWER));
    }
  }
  const settings = {
    "Dir::Etc::sourcelist": "/dev/null",
    "Dir::Etc::sourceparts": sources,
    "Dir::State::lists": join(folder, "lists"),
    "Dir::Cache": folder,
    "APT::Sandbox::User": "",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  await run("apt-get", [...options, "update"]);
  return options;
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
}
