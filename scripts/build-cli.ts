/**
 * Builds the command line of the package into a folder: one file with all it needs, so that who installs the package for
 * the client installs nothing more, and the licences of what is in it. `npm run build:package` runs it.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { build } from "esbuild";

const root = join(import.meta.dirname, "..");

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  throw new Error("usage: npx node scripts/build-cli.ts <folder>");
}
await buildCli(folder);

async function buildCli(outdir: string): Promise<void> {
  const { metafile } = await build({
    entryPoints: { "durable-stream": join(root, "rpc/cli/main.ts") },
    absWorkingDir: root,
    outdir,
    // CommonJS: most of what is bundled is, and calls `require` for the modules of Node.js.
    outExtension: { ".js": ".cjs" },
    format: "cjs",
    platform: "node",
    target: "node20",
    bundle: true,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    metafile: true,
    // Optional to `ws` and to `cli-table3`, and not missed.
    external: ["bufferutil", "utf-8-validate", "@colors/colors"],
  });
  await mkdir(outdir, { recursive: true });
  await writeFile(join(outdir, "LICENSES.txt"), await licencesOf(Object.keys(metafile.inputs)));
}

/** The licences of the packages that the inputs are of, each once. */
async function licencesOf(inputs: readonly string[]): Promise<string> {
  const packages = new Set(inputs.flatMap((input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []));
  const texts = [...packages].toSorted().map(async (path) => {
    const names = await readdir(join(root, path));
    const licence = names.find((name) => /^licen[cs]e/i.test(name));
    if (licence === undefined) {
      throw new Error(`no licence in ${path}, which is bundled`);
    }
    return `${path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)}\n\n${await readFile(join(root, path, licence), "utf8")}`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(80)}\n\n`);
}
