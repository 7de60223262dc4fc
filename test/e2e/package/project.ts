/** Projects of strangers: folders with the packed package, and nothing of this repository. */
import { execFile } from "node:child_process";
import { access, copyFile, mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../../..");
const run = promisify(execFile);

/** What was downloaded before is not asked for again. */
const QUIETLY = ["--prefer-offline", "--no-audit", "--no-fund"];

/** Makes a project that has the package as it is built, by `npm pack`, `ws`, and in `use` the programs of `installed`. */
export async function makeProject(): Promise<string> {
  const project = await emptyProject();
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", project], { cwd: root });
  const tarball = (await readdir(project)).find((name) => name.endsWith(".tgz")) ?? "";
  const packages = [join(project, tarball), `ws@${await versionOf("ws")}`, `@types/ws@${await versionOf("@types/ws")}`];
  await run("npm", ["install", ...QUIETLY, ...packages], { cwd: project });
  await mkdir(join(project, "use"));
  const uses = join(import.meta.dirname, "installed");
  for (const name of await readdir(uses)) {
    await copyFile(join(uses, name), join(project, "use", name));
  }
  return project;
}

/** Makes a project without any package. */
export async function emptyProject(): Promise<string> {
  const project = await mkdtemp(join(tmpdir(), "durable-stream-package-"));
  await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  return project;
}

/** Installs a version of Node.js that neither this repository nor this machine need have. @returns Its program, if it could. */
export async function installNode(major: number, folder: string): Promise<string | undefined> {
  const name = `node-${process.platform}-${process.arch}`;
  await mkdir(folder);
  await run("npm", ["install", ...QUIETLY, "--prefix", folder, `${name}@${major}`]).catch(() => {
    // Safe: then there is no program.
  });
  const program = join(folder, "node_modules", name, "bin/node");
  return access(program).then(
    () => program,
    () => undefined,
  );
}

async function versionOf(name: string): Promise<string> {
  const { devDependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  return devDependencies[name];
}
