import { mkdir, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { build } from "esbuild";
import { describe, expect } from "vitest";

import { ErrorCode } from "../../../rpc/index.ts";

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

/** Wrangler's list of the Workers that run on a machine: one of this test's own. */
const registryIn = (data: string) => ({ WRANGLER_REGISTRY_PATH: join(data, "registry") });

/** Orders tea at the Worker of the guide, and then something in a stream that its binding does not allow. */
async function expectOrders(port: number): Promise<void> {
  const post = (path: string) =>
    fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body: JSON.stringify({ item: "tea" }) });

  const [stored, forbidden] = [await post("/"), await post("/?stream=vault")];

  expect(await stored.json()).toEqual({ sequence: 1, duplicate: false });
  expect([forbidden.status, await forbidden.json()]).toEqual([422, { code: ErrorCode.Forbidden }]);
}

/** Whether messages are kept in a folder. */
async function hasData(folder: string): Promise<boolean> {
  const stored = await stat(join(folder, ".wrangler/state/v3/do/durable-stream-Stream")).catch(() => undefined);
  return stored !== undefined;
}

describe("the Workers of docs/guides/workers.md", { timeout: START_MS }, () => {
  test("run in one wrangler dev, which keeps the data with the first of them", async ({ data }) => {
    const { server, caller } = await makeWorkers(data);
    const port = await freePort();
    const flags = ["dev", "-c", "wrangler.toml", "-c", join(server, "wrangler.toml"), "--port", String(port)];
    await using script = new NpmScript(caller, "wrangler", flags, registryIn(data));
    await script.untilOutput(/Ready on http/);

    await expectOrders(port);

    expect([await hasData(caller), await hasData(server)]).toEqual([true, false]);
    script.interrupt();
    await script.untilGroupIsGone();
  });

  test("run in a wrangler dev each, which find each other, and the server keeps the data", async ({ data }) => {
    const { server, caller } = await makeWorkers(data);
    const [ofServer, port] = [await freePort(), await freePort()];
    await using first = new NpmScript(server, "dev", ["--port", String(ofServer)], registryIn(data));
    await first.untilOutput(/Ready on http/);
    await using second = new NpmScript(caller, "wrangler", ["dev", "--port", String(port)], registryIn(data));
    await second.untilOutput(/Ready on http/);

    await expectOrders(port);

    expect([await hasData(caller), await hasData(server)]).toEqual([false, true]);
    for (const script of [second, first]) {
      script.interrupt();
      await script.untilGroupIsGone();
    }
  });
});
