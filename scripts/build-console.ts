/**
 * Builds the console into a folder, `dist/console` unless one is given: `index.html`, `_headers`, and `assets/` with hashed names.
 * wrangler runs it before every build of the Worker, by `[build]` of wrangler.toml.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { build } from "esbuild";

import { ASSET_HEADERS } from "../src/http/console-headers.ts";

const root = join(import.meta.dirname, "..");
const sources = join(root, "src/console");

if (import.meta.main) {
  await buildConsole(process.argv[2] ?? join(root, "dist/console"));
}

/** Builds the console. Two builds of the same sources may run at once: each writes the same files, and no other is deleted. */
export async function buildConsole(folder: string): Promise<void> {
  const assets = await bundle();
  const page = await readFile(join(sources, "index.html"), "utf8");
  const files = new Map<string, string | Uint8Array>([...assets].map(([, { path, content }]) => [path, content]));
  files.set("index.html", withHashedNames(page, assets));
  files.set("_headers", headersFile([...assets].map(([, { path }]) => `/${path}`)));
  for (const [path, content] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  for (const path of await readdir(folder, { recursive: true })) {
    if (path !== "assets" && !files.has(path)) {
      await rm(join(folder, path), { recursive: true, force: true });
    }
  }
}

type Asset = { readonly path: string; readonly content: Uint8Array };

/** The bundles, by the name of their entry: `main.js`, `console.css`. */
async function bundle(): Promise<Map<string, Asset>> {
  const { outputFiles } = await build({
    entryPoints: [join(sources, "main.tsx"), join(sources, "styles/console.css")],
    entryNames: "[name]-[hash]",
    outdir: "assets",
    absWorkingDir: root,
    tsconfig: join(sources, "tsconfig.json"),
    format: "esm",
    platform: "browser",
    // The first that have `light-dark()`: of the middle of 2024.
    target: ["chrome123", "firefox120", "safari17.5"],
    bundle: true,
    minify: true,
    legalComments: "none",
    write: false,
  });
  return new Map(
    outputFiles.map(({ path, contents }) => {
      const name = basename(path);
      return [name.replace(/-[A-Z0-9]{8}(?=\.)/, ""), { path: `assets/${name}`, content: contents }];
    }),
  );
}

function withHashedNames(page: string, assets: ReadonlyMap<string, Asset>): string {
  return page.replaceAll(/"\/assets\/([\w.]+)"/g, (_, name: string) => {
    const asset = assets.get(name);
    if (asset === undefined) {
      throw new Error(`index.html names ${name}, which is not built`);
    }
    return `"/${asset.path}"`;
  });
}

/**
 * The headers of what is served without the Worker: the files with hashed names; the Worker serves the page. Each file is
 * named: a rule for the folder would also hold for a file that another version has, and have a browser keep its 404.
 * developers.cloudflare.com/workers/static-assets/headers/
 */
function headersFile(assets: readonly string[]): string {
  const lines = assets.flatMap((path) => [
    path,
    ...Object.entries(ASSET_HEADERS).map(([name, value]) => `  ${name}: ${value}`),
  ]);
  return `${lines.join("\n")}\n`;
}
