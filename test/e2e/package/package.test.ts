import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PassThrough, Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { promisify } from "node:util";
import { brotliCompressSync, gzipSync } from "node:zlib";

import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { beforeAll, describe, expect } from "vitest";

import { test, whyNoBrowser } from "../browser/browser.ts";
import { FIELD_QUESTIONS, HEAD, METHOD_QUESTIONS, POINTED_AT } from "./hovers.ts";
import { LanguageServer } from "./language-server.ts";
import { installNode, makeProject } from "./project.ts";
import { OFFLINE } from "../../../scripts/server/options.ts";
import { nodeOf } from "../server/node-of.ts";
import { Proxy } from "../server/proxy.ts";
import type { Server } from "../server/server.ts";

const root = join(import.meta.dirname, "../../..");
const run = promisify(execFile);

/**
 * The most that the client may be, minified and compressed by gzip, so that growth is noticed: 19 KiB.
 */
const MAX_CLIENT_BYTES = 19_456;

/** What a tour through the package tells, but for its last line. */
const TOUR = [
  "cut",
  "200 messages, in order: true, connections: 2",
  "acked through 200",
  "object from bytes, equal: true",
  "object from blob, equal: true",
  "object from stream, equal: true",
  "Conflict -32004",
];

/** A folder that has the package, and nothing of this repository. */
let project = "";
/** By major version; undefined where there is none. */
let nodes: Readonly<Record<number, string | undefined>> = {};

beforeAll(async () => {
  project = await makeProject();
  nodes = { 20: nodeOf(20), 22: nodeOf(22) ?? (await installNode(22, join(project, "node"))), 24: nodeOf(24) };
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

  test.for([
    ["Node.js 20", () => nodes[20], []],
    ["Node.js 22", () => nodes[22], []],
    ["Node.js 24", () => nodes[24], []],
    ["Bun", () => binary("bun"), []],
    ["Deno", () => binary("deno"), ["run", "--allow-net", "--allow-read", "--allow-env"]],
  ] as const)(
    "publishes, follows and stores objects from plain JavaScript on %s",
    async ([name, find, flags], { server, skip }) => {
      const program = find();
      skip(program === undefined, `NOT RUN: no ${name} on the path`);
      await using proxy = await Proxy.to(server.url);
      const child = spawn(program ?? "", [...flags, join(project, "use/plain.mjs"), proxy.url, server.apiKey], {
        env: { ...process.env, DENO_NO_UPDATE_CHECK: "1", DO_NOT_TRACK: "1" },
        stdio: ["ignore", "pipe", "inherit"],
      });

      const lines = await watchTour(child.stdout, proxy);

      expect(lines).toEqual([...TOUR, expect.stringMatching(`^closed on ${name}`)]);
    },
  );

  test("publishes, follows and stores objects from plain JavaScript in a Worker", async ({ server }) => {
    await using proxy = await Proxy.to(server.url);
    const entry = join(project, "use/worker.mjs");
    const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });
    const worker = new Miniflare(
      convertV4MiniflareOptions({
        modules: true,
        script: outputFiles[0]?.text ?? "",
        compatibilityDate: "2026-10-23",
        bindings: { URL: proxy.url, TOKEN: server.apiKey },
        ...OFFLINE,
      }),
    );
    try {
      const { body } = await fetch(await worker.ready);
      const lines = await watchTour(Readable.fromWeb(body as NodeReadableStream), proxy);

      expect(lines).toEqual([...TOUR, "closed on Workers"]);
    } finally {
      await worker.dispose();
    }
  });

  test.for([22, 24])(
    "runs the first example of README.md as it stands on Node.js %i",
    async (major, { server, skip }) => {
      const node = nodes[major];
      skip(node === undefined, `NOT RUN: no Node.js ${major}`);

      expect(await firstLine(node ?? "", await exampleOf("README.md"), server)).toBe("1 { item: 'tea' }");
    },
  );

  test("says on Node.js 20 which two things the example needs there, and runs with them", async ({ server, skip }) => {
    const node = nodes[20];
    skip(node === undefined, "NOT RUN: no Node.js 20");
    const example = await exampleOf("README.md");
    const completed = `import { WebSocket } from "ws";\n${example.replace("API_KEY }", "API_KEY, WebSocket }")}`;

    const bare = await firstLine(node ?? "", example, server);

    expect(bare).toContain("npm install ws");
    expect(bare).toContain('import { WebSocket } from "ws"; new DurableStream({ url, token, WebSocket })');
    expect(await firstLine(node ?? "", completed, server)).toBe("1 { item: 'tea' }");
  });

  const inPage = "publishes, follows and stores objects in a page by a bundler";
  test.skipIf(whyNoBrowser !== undefined)(
    whyNoBrowser === undefined ? inPage : `NOT RUN: ${whyNoBrowser}: ${inPage}`,
    async ({ server, files, browser }) => {
      await using proxy = await Proxy.to(server.url);
      const entry = join(project, "use/page.mjs");
      const format = { format: "iife", globalName: "tourOfPage" } as const;
      const { outputFiles } = await build({ entryPoints: [entry], bundle: true, write: false, ...format });
      const page = await browser.newPage();
      await page.goto(`${files}/LICENSE`);
      const told = new PassThrough();
      // Its own warnings aside, as of an icon that is not there.
      page.on("console", (message) => message.type() === "log" && told.write(`${message.text()}\n`));
      const lines = watchTour(told, proxy);

      const call = `tourOfPage.run(${JSON.stringify(proxy.url)}, ${JSON.stringify(server.apiKey)})`;
      await page.evaluate(`${outputFiles[0]?.text}\n${call}`);
      told.end();

      expect(await lines).toEqual([...TOUR, "closed on Chromium"]);
    },
  );

  test.for(
    ["bundler", "nodenext"].flatMap((resolution) => ["typescript", "typescript-5.7"].map((name) => [name, resolution])),
  )("is used from %s, its types checked too, with %s", async ([compiler = "", resolution = ""]) => {
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

    const tsc = join(root, "node_modules", compiler, "bin/tsc");
    const checked = await run(process.execPath, [tsc, "-p", config]).catch((error: { stdout: string }) => error);

    expect(checked.stdout).toBe("");
  });

  test("shows in an editor what each method, option, event and error does", async () => {
    const questions = [...POINTED_AT, ...METHOD_QUESTIONS, ...FIELD_QUESTIONS];
    const compilerOptions = {
      module: "esnext",
      moduleResolution: "bundler",
      target: "es2022",
      types: [],
      strict: true,
    };
    await writeFile(join(project, "use/tsconfig.json"), JSON.stringify({ compilerOptions, files: ["hovers.ts"] }));
    await using editor = await LanguageServer.start(
      join(root, "node_modules/typescript/bin/tsc"),
      join(project, "use"),
    );

    const hovers = await editor.hovers("hovers.ts", [HEAD, ...questions.map(({ line }) => line)].join("\n"));

    const silent = questions.flatMap(({ line, words }, index) => {
      const about = hovers[index]?.about ?? "";
      const missing = words.filter((word) => !about.includes(word));
      return about.trim() === "" || missing.length > 0 ? [{ line, missing, about }] : [];
    });
    expect(silent).toEqual([]);
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

/** The first example of a page. */
async function exampleOf(page: string): Promise<string> {
  const text = await readFile(join(root, page), "utf8");
  return /<!-- example -->\n+```js\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
}

/** The first line that a program prints, or why it failed. */
async function firstLine(node: string, source: string, server: Server): Promise<string> {
  const file = join(project, "use/first.mjs");
  await writeFile(file, source);
  const env = { API_KEY: server.apiKey, STREAM_URL: server.url };
  const child = spawn(node, [file], { env, stdio: ["ignore", "pipe", "pipe"] });
  const failed: string[] = [];
  child.stderr.on("data", (text: Buffer) => failed.push(text.toString()));
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      return line;
    }
    await once(child, "close");
    return failed.join("");
  } finally {
    child.kill();
  }
}

/** Reads what a tour tells, and cuts its connections when it says so. */
async function watchTour(input: Readable, proxy: Proxy): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of createInterface({ input })) {
    lines.push(line);
    if (line === "cut") {
      proxy.connections.forEach((connection) => connection.cut());
    }
  }
  return lines;
}

/** A program that a dev dependency brings. */
function binary(name: string): string {
  return join(root, "node_modules/.bin", name);
}
