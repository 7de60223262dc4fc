import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { build } from "esbuild";
import { expect } from "vitest";

import { makeCheckout, NpmScript } from "../server/checkout.ts";
import { test } from "../server/fixtures.ts";
import { freePort } from "../server/free-port.ts";
import { blocksOf, root } from "./pages.ts";

const GUIDE = "docs/guides/workers.md";
const START_MS = 120_000;

/** A checkout of this server, and beside it a Worker with the binding of the guide. */
async function makeWorkers(folder: string): Promise<{ server: string; caller: string }> {
  const [server, caller] = [join(folder, "durable-stream"), join(folder, "shop")];
  const [binding = ""] = blocksOf(GUIDE, "toml");
  const entry = join(root, "test/examples/orders-worker.ts");
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });
  const wrangler = `node --env-file=${join(root, "scripts/wrangler.env")} node_modules/wrangler/bin/wrangler.js`;
  await Promise.all([makeCheckout(server), mkdir(caller)]);
  await Promise.all([
    writeFile(join(caller, "shop.js"), outputFiles[0]?.text ?? ""),
    writeFile(
      join(caller, "wrangler.toml"),
      `name = "shop"\nmain = "shop.js"\ncompatibility_date = "2026-10-23"\n${binding}`,
    ),
    writeFile(join(caller, "package.json"), JSON.stringify({ private: true, scripts: { wrangler } })),
    symlink(join(root, "node_modules"), join(caller, "node_modules")),
  ]);
  return { server, caller };
}

test(
  "one wrangler dev runs both Workers of the guide, with the binding's rights, and keeps the data with the first",
  { timeout: START_MS },
  async ({ data }) => {
    const { server, caller } = await makeWorkers(data);
    const port = await freePort();
    const flags = ["dev", "-c", "wrangler.toml", "-c", join(server, "wrangler.toml"), "--port", String(port)];
    await using script = new NpmScript(caller, "wrangler", flags);
    await script.untilOutput(/Ready on http/);
    const post = (path: string) =>
      fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body: JSON.stringify({ item: "tea" }) });

    const [stored, forbidden] = [await post("/"), await post("/?stream=vault")];

    expect(await stored.json()).toEqual({ sequence: 1, duplicate: false });
    expect(forbidden.status).toBe(422);
    expect(await readdir(join(caller, ".wrangler/state/v3/do"))).toContain("durable-stream-Stream");
    expect(await readdir(server)).not.toContain(".wrangler");
    script.interrupt();
    await script.untilGroupIsGone();
  },
);
