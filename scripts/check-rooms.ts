/**
 * What lint can not say of the folders, types included: `npm run lint:rooms`.
 *
 * - No circle of folders: a folder that imports another is not imported by it, by whatever way round. A folder and those
 *   in it are one room; that its files have no circle is held by lint.
 * - SQL stands only in the files that own a table.
 */
import { glob, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";

const root = join(import.meta.dirname, "..");

/** Whoever owns a table. */
const SQL_ROOMS =
  /^src\/(stream\/(log|admission|consumers|producers)\/|stream\/(schema|record|fan-out)\.ts|gateway\/(schema|(streams|consumers)\/store)\.ts|objects\/upload\/)/;

const faults: string[] = [];
/** Of each folder those it imports from, each with a file that does. */
const imports = new Map<string, Map<string, string>>();

for await (const file of glob("{src,rpc}/**/*.ts", { cwd: root })) {
  const text = await readFile(join(root, file), "utf8");
  for (const [, target = ""] of text.matchAll(/\bfrom "(\.[^"]+)"/g)) {
    const [from, to] = [dirname(file), dirname(normalize(join(dirname(file), target)))];
    if (!isWithin(from, to) && !isWithin(to, from)) {
      imports.set(from, (imports.get(from) ?? new Map<string, string>()).set(to, file));
    }
  }
  if (/sql\s*\.exec\b/.test(text) && !SQL_ROOMS.test(file)) {
    faults.push(`${file} has SQL, and is not the owner of a table`);
  }
}

const reported = new Set<string>();
for (const folder of imports.keys()) {
  const circle = circleFrom(folder);
  const key = circle?.toSorted().join();
  if (circle !== undefined && key !== undefined && !reported.has(key)) {
    reported.add(key);
    const steps = circle.map((each, index) => {
      const next = circle[(index + 1) % circle.length] ?? "";
      return `  ${each} → ${next} by ${imports.get(each)?.get(next)}`;
    });
    faults.push(`a circle of folders:\n${steps.join("\n")}`);
  }
}

if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exitCode = 1;
}

/** The shortest way from a folder back to it, without its end; undefined when there is none. */
function circleFrom(start: string): string[] | undefined {
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

function isWithin(folder: string, other: string): boolean {
  return folder === other || folder.startsWith(`${other}/`);
}
