import { execFile } from "node:child_process";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect } from "vitest";

import { makeCheckout } from "../server/checkout.ts";
import { test } from "../server/fixtures.ts";
import { emptyProject } from "./project.ts";

const root = join(import.meta.dirname, "../../..");

test("the line of README.md installs the client, its types and the command line from a checkout beside a project", async ({
  data,
}) => {
  const [, line = ""] = /```sh\n(npm install .*?) +#/.exec(await readFile(join(root, "README.md"), "utf8")) ?? [];
  await makeCheckout(join(data, "durable-stream"));
  const project = join(data, "project");
  await rename(await emptyProject(), project);
  const sh = (command: string) => promisify(execFile)("sh", ["-ec", command], { cwd: project });

  await sh(`${line} --prefer-offline --no-audit --no-fund`);
  // Nothing of it is in the checkout.
  await rm(join(data, "durable-stream"), { recursive: true });

  await writeFile(
    join(project, "use.mjs"),
    'import { DurableStream } from "durable-stream/client"; console.log(DurableStream.name);',
  );
  expect(line).toContain("../durable-stream");
  expect((await sh("node use.mjs")).stdout).toBe("DurableStream\n");
  expect((await sh("npx durable-stream --version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(await readFile(join(project, "node_modules/durable-stream/dist/rpc/client.d.ts"), "utf8")).toContain("class");
});
