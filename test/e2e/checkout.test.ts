import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { untilGroupIsGone } from "./server/checkout.ts";
import { test } from "./server/fixtures.ts";

/** Starts a script that does not end by itself, and tells its process group. */
const MAKER = `
  import { NpmScript } from ${JSON.stringify(join(import.meta.dirname, "server/checkout.ts"))};
  const script = new NpmScript(process.cwd(), "wait", []);
  await script.untilOutput(/waiting/);
  process.send(script.processGroup);
`;

test("what a test starts by npm ends with the run of the tests, however that ends", async ({ data: folder }) => {
  const wait = `node -e "console.log('waiting'); setInterval(() => {}, 1000)"`;
  await writeFile(join(folder, "package.json"), JSON.stringify({ scripts: { wait } }));
  await writeFile(join(folder, "maker.mjs"), MAKER);
  const maker = fork(join(folder, "maker.mjs"), { cwd: folder, execArgv: [] });
  const [group] = await once(maker, "message");

  maker.kill("SIGKILL");

  await untilGroupIsGone(Number(group));
});
