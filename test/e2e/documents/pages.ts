/** The pages that people read, and the programs in them. */
import { globSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export const root = join(import.meta.dirname, "../../..");

/** The pages whose links are followed, and whose files and commands have to be there. */
export const PAGES: readonly string[] = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "AGENTS.md",
  ...globSync("docs/**/*.md", { cwd: root }).toSorted(),
];

/** The code blocks of a language in a page, in order. */
export function blocksOf(page: string, language: string): string[] {
  const text = readFileSync(join(root, page), "utf8");
  return [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, block = ""]) => block);
}

/** The code block below a comment. */
export function markedBlock(page: string, marker: string): string {
  const text = readFileSync(join(root, page), "utf8");
  const [, block] = new RegExp(`<!-- ${marker} -->\n+\`\`\`\\w+\n([\\s\\S]*?)\`\`\``).exec(text) ?? [];
  if (block === undefined) {
    throw new Error(`${page} has no ${marker}`);
  }
  return block;
}

/** A program with the client of this repository in place of the package's. */
export function withOwnClient(program: string): string {
  return program.replace("durable-stream/client", pathToFileURL(join(root, "rpc/client.ts")).href);
}

/** A folder within the project, so that imports of a program in it are found; the package itself is not built there. */
export async function programFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(root, "node_modules/.readme-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
