import { execFile, execFileSync } from "node:child_process";
import { access, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { brotliCompressSync, gzipSync } from "node:zlib";

import { build } from "esbuild";
import { beforeAll, describe, expect } from "vitest";

import { test } from "./fixtures.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);

/**
 * The most that the client may be, minified and compressed by gzip. A server's first flight is ten segments of 1,460
 * bytes (RFC 6928), of which the response's headers and TLS take some: so much comes without waiting for an ack.
 */
const MAX_CLIENT_BYTES = 14_000;

/** A folder that has the package, and nothing of this repository. */
let project = "";

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "durable-stream-package-"));
  await run("npm", ["pack", "--pack-destination", project], { cwd: root });
  const tarball = (await readdir(project)).find((name) => name.endsWith(".tgz")) ?? "";
  await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const packages = [join(project, tarball), `ws@${await versionOf("ws")}`, `@types/ws@${await versionOf("@types/ws")}`];
  await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...packages], { cwd: project });
  await mkdir(join(project, "use"));
  const uses = join(import.meta.dirname, "package");
  for (const name of await readdir(uses)) {
    await copyFile(join(uses, name), join(project, "use", name));
  }
  return () => rm(project, { recursive: true });
}, 120_000);

describe("the package", () => {
  test("holds compiled files, their types and what a reader needs, and brings no dependency of the server", async () => {
    const installed = join(project, "node_modules/durable-stream");
    const manifest = JSON.parse(await readFile(join(installed, "package.json"), "utf8"));

    expect((await readdir(installed)).toSorted()).toEqual([
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "dist",
      "package.json",
    ]);
    expect(Object.keys(manifest.dependencies)).toEqual(["@valibot/to-json-schema", "valibot"]);
    for (const target of Object.values(manifest.exports).flatMap((paths) =>
      typeof paths === "string" ? paths : Object.values(paths as object),
    )) {
      await access(join(installed, target as string));
    }
  });

  test.for([20, 24])("publishes and follows from plain JavaScript on Node.js %i", async (major, { server, skip }) => {
    const node = nodeOf(major);
    skip(node === undefined, `NOT RUN: no Node.js ${major} on the path`);

    const { stdout } = await run(node ?? "", [join(project, "use/plain.mjs"), server.url, server.apiKey]);

    expect(stdout).toBe(`v${major}: 1 hello, 2 world, Conflict -32004\n`);
  });

  test.for(["bundler", "nodenext"])("is used from TypeScript, its types checked too, with %s", async (resolution) => {
    const config = join(project, "use", `tsconfig.${resolution}.json`);
    const compilerOptions = {
      module: resolution === "nodenext" ? "nodenext" : "esnext",
      moduleResolution: resolution,
      target: "es2022",
      lib: ["es2022", "dom"],
      types: [],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
    };
    await writeFile(config, JSON.stringify({ compilerOptions, files: ["typed.ts"] }));

    const checked = await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", config]).catch(
      (error: { stdout: string }) => error,
    );

    expect(checked.stdout).toBe("");
  });

  test(`has a client of at most ${MAX_CLIENT_BYTES} bytes, minified and compressed`, async ({ annotate }) => {
    const { outputFiles } = await build({
      stdin: { contents: 'export { DurableStream } from "durable-stream/client";', resolveDir: project },
      bundle: true,
      minify: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      write: false,
    });
    const bytes = outputFiles[0]?.contents ?? new Uint8Array();
    const [gzip, brotli] = [gzipSync(bytes, { level: 9 }).length, brotliCompressSync(bytes).length];

    await annotate(`the client: ${bytes.length} bytes minified, ${gzip} with gzip, ${brotli} with brotli`);
    process.stdout.write(`the client: ${bytes.length} bytes minified, ${gzip} with gzip, ${brotli} with brotli\n`);
    expect(bytes.length).toBeGreaterThan(0);
    expect(gzip).toBeLessThanOrEqual(MAX_CLIENT_BYTES);
  });
});

async function versionOf(name: string): Promise<string> {
  const { devDependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  return devDependencies[name];
}

/** The first Node.js of a major version: this one, or on the path. */
function nodeOf(major: number): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return [process.execPath, ...folders.map((folder) => join(folder, "node"))].find((node) => {
    try {
      return execFileSync(node, ["-p", "process.versions.node"], { encoding: "utf8" }).startsWith(`${major}.`);
    } catch {
      // No such program.
      return false;
    }
  });
}
