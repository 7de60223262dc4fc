/**
 * What lint can not say of the folders, types included: a part of `npm run check:code`.
 *
 * - No cycle of folders: of two that stand side by side, each with all that is in it, only one imports from the other, by
 *   whatever way round. What a folder's own files and its subfolders import of each other is not looked at; that no files
 *   have a cycle is held by lint.
 * - SQL stands only in the files that own a table.
 * - Nothing of `src/` imports the console, and the console nothing of the rest of `src/`.
 */
import { glob, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";

const root = join(import.meta.dirname, "..");

/** Whoever owns a table. */
const SQL_ROOMS =
  /^src\/(stream\/(log|admission|producers)\/|stream\/consumers\/(table|dead-letters\/dead-letters)\.ts|stream\/(schema|record|fan-out|deleted-tables)\.ts|directory\/(schema|listings)\.ts|gateway\/(schema|access-store|(streams|consumers)\/store)\.ts|objects\/upload\/(schema|upload-(attempts|store))\.ts|platform\/schema\.ts)/;

/** All forms of an import of a file: `from "./a.ts"`, `import "./a.ts"` and `import("./a.ts")`, also as a type. */
const IMPORT = /\b(?:from|import)\b\s*\(?\s*"(\.[^"]+)"/g;

const faults: string[] = [];
/** Of each folder those beside it that it imports from, each with a place that does. */
const imports = new Map<string, Map<string, string>>();

for await (const file of glob("{src,rpc}/**/*.{ts,tsx}", { cwd: root })) {
  const text = await readFile(join(root, file), "utf8");
  for (const match of text.matchAll(IMPORT)) {
    const target = normalize(join(dirname(file), match[1] ?? ""));
    const [from, to] = foldersSideBySide(file, target);
    if (from !== undefined && to !== undefined) {
      const ofFolder = imports.get(from) ?? new Map<string, string>();
      imports.set(from, ofFolder.set(to, `${file}:${lineOf(text, match.index)}`));
    }
  }
  for (const match of text.matchAll(IMPORT)) {
    const target = normalize(join(dirname(file), match[1] ?? ""));
    const [isConsole, isOfConsole] = [file, target].map((path) => path.startsWith("src/console/"));
    if (isConsole ? !isOfConsole && !/^rpc\/(client|index)\.ts$/.test(target) : isOfConsole) {
      faults.push(`${file}:${lineOf(text, match.index)} imports ${target}: the console stands alone`);
    }
  }
  for (const { index } of text.matchAll(/\bsql\s*\.exec\b|\bSqlStorage\b/g)) {
    if (!SQL_ROOMS.test(file)) {
      faults.push(`${file}:${lineOf(text, index)} has SQL, and is not the owner of a table`);
    }
  }
}

const reported = new Set<string>();
for (const folder of imports.keys()) {
  const cycle = cycleFrom(folder);
  const key = cycle?.toSorted().join();
  if (cycle !== undefined && key !== undefined && !reported.has(key)) {
    reported.add(key);
    const steps = cycle.map((each, index) => {
      const next = cycle[(index + 1) % cycle.length] ?? "";
      return `  ${each} → ${next} by ${imports.get(each)?.get(next)}`;
    });
    faults.push(`a cycle of folders:\n${steps.join("\n")}`);
  }
}

if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exitCode = 1;
}

/** The shortest way from a folder back to it, without its end; undefined when there is none. */
function cycleFrom(start: string): string[] | undefined {
  const ways = [[start]];
  const seen = new Set<string>();
  for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
    for (const next of imports.get(way.at(-1) ?? "")?.keys() ?? []) {
      if (next === start) {
        return way;
      }
      if (!seen.has(next)) {
        seen.add(next);
        ways.push([...way, next]);
      }
    }
  }
  return undefined;
}

/** The folders, one beside the other, that hold the two files; none where one file stands in a folder around the other. */
function foldersSideBySide(file: string, other: string): [from?: string, to?: string] {
  const [ofFile, ofOther] = [dirname(file).split("/"), dirname(other).split("/")];
  const depth = ofFile.findIndex((name, index) => name !== ofOther[index]);
  return depth === -1 || depth >= ofOther.length
    ? []
    : [ofFile.slice(0, depth + 1).join("/"), ofOther.slice(0, depth + 1).join("/")];
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
