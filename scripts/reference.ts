/**
 * `npm run reference`: writes docs/reference.md from the contract and docs/client.md from the declarations of the client.
 *
 * `npm run reference -- --check` writes nothing and exits with 1 when a page is not what it would be written as. Another
 * folder may be named.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { clientPage } from "./reference/client-page.ts";
import { contractPage } from "./reference/contract-page.ts";

const PAGES = { "reference.md": contractPage, "client.md": clientPage } as const;

const isCheck = process.argv.includes("--check");
const [folder = join(import.meta.dirname, "../docs")] = process.argv.slice(2).filter((each) => !each.startsWith("--"));

for (const [name, pageOf] of Object.entries(PAGES)) {
  const path = join(folder, name);
  const page = pageOf();
  if (!isCheck) {
    writeFileSync(path, page);
    console.log(`${path} is written`);
  } else if (readFileSync(path, "utf8") === page) {
    console.log(`${path} is up to date`);
  } else {
    console.log(`${path} is not up to date: npm run reference`);
    process.exitCode = 1;
  }
}
