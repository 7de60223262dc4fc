import { execFileSync } from "node:child_process";
import { delimiter, join } from "node:path";

/** The first Node.js of a major version: this one, or on the path. */
export function nodeOf(major: number): string | undefined {
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
