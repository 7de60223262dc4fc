/**
 * `npm run reference`: writes docs/reference.md and the rights of README.md from the contract, and docs/client.md from the
 * declarations of the client.
 *
 * `npm run reference -- --check` writes nothing and exits with 1 when a page is not what it would be written as. Another
 * folder with those pages may be named.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { clientPage } from "./reference/client-page.ts";
import { contractPage } from "./reference/contract-page.ts";
import { withRights } from "./reference/rights.ts";

/** Of each page: what it is to be, by what it is. */
const PAGES: Readonly<Record<string, (page: string) => string>> = {
  "docs/reference.md": contractPage,
  "docs/client.md": clientPage,
  "README.md": withRights,
};

const isCheck = process.argv.includes("--check");
const [folder = join(import.meta.dirname, "..")] = process.argv.slice(2).filter((each) => !each.startsWith("--"));

for (const [name, pageOf] of Object.entries(PAGES)) {
  const path = join(folder, name);
  const before = readFileSync(path, "utf8");
  const page = pageOf(before);
  if (!isCheck) {
    writeFileSync(path, page);
    console.log(`${path} is written`);
  } else if (before === page) {
    console.log(`${path} is up to date`);
  } else {
    console.log(`${path} is not up to date: npm run reference`);
    process.exitCode = 1;
  }
}
