/** Two Workers of which one is bound to the other, this one, as they run in earnest. */
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import type { V4WorkerOptions } from "miniflare";
import { inject } from "vitest";

import type { BindingProps } from "../../../rpc/index.ts";
import { OFFLINE } from "../../../scripts/server/options.ts";
import { makeCheckout, NpmScript } from "../server/checkout.ts";
import { freePort } from "../server/free-port.ts";

const root = join(import.meta.dirname, "../../..");
const COMPATIBILITY_DATE = "2026-10-23";

/** The calling Worker, to be asked over HTTP. */
export type BoundWorker = AsyncDisposable & { fetch: (path: string, init?: RequestInit) => Promise<Response> };

/** The file of the calling Worker, whose binding is `STREAMS`, and what it is allowed. */
type Caller = { entry: string; props?: BindingProps };

/** Both in one workerd. @param data An empty folder. */
export async function startInOneRuntime({ entry, props }: Caller, data: string): Promise<BoundWorker> {
  const worker = inject("worker");
  const options: Omit<V4WorkerOptions, "scriptPath"> = JSON.parse(await readFile(join(worker, "options.json"), "utf8"));
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        {
          name: "caller",
          modules: true,
          script: await bundled(entry),
          compatibilityDate: COMPATIBILITY_DATE,
          serviceBindings: {
            STREAMS: {
              name: "durable-stream",
              entrypoint: "DurableStreams",
              ...(props === undefined ? {} : { props }),
            },
          },
        },
        { ...options, name: "durable-stream", modules: true, rootPath: worker, scriptPath: "worker.js" },
      ],
      host: "127.0.0.1",
      port: 0,
      resourcePersistencePath: data,
      ...OFFLINE,
    }),
  );
  const url = await miniflare.ready;
  return {
    fetch: (path, init) => fetch(new URL(path, url), init),
    [Symbol.asyncDispose]: () => miniflare.dispose(),
  };
}

/** Each in a `wrangler dev` of its own, which find each other by wrangler's registry. @param data An empty folder. */
export async function startInTwoProcesses({ entry }: Caller, data: string): Promise<BoundWorker> {
  const [server, caller] = [join(data, "server"), join(data, "caller")];
  await Promise.all([makeCheckout(server), makeCaller(caller, entry)]);
  const env = { WRANGLER_REGISTRY_PATH: join(data, "registry") };
  const started = new AsyncDisposableStack();
  try {
    const flags = ["--persist-to", join(data, "stored"), "--var", "API_KEY:x"];
    await start(started, server, { flags: ["--port", String(await freePort()), ...flags], env });
    const port = await freePort();
    await start(started, caller, { flags: ["--port", String(port)], env });
    return {
      fetch: (path, init) => fetch(new URL(path, `http://127.0.0.1:${port}`), init),
      [Symbol.asyncDispose]: () => started.disposeAsync(),
    };
  } catch (error) {
    await started.disposeAsync();
    throw error;
  }
}

/**
 * Starts it again when its ports are taken: wrangler starts its runtime anew when it hears more of the other Worker, asks
 * for the ports the system had given it before, and an outgoing connection may have taken one of them meanwhile.
 */
async function start(
  started: AsyncDisposableStack,
  folder: string,
  { flags, env }: { flags: string[]; env: Record<string, string> },
): Promise<void> {
  for (;;) {
    const script = new NpmScript(folder, "dev", flags, env);
    started.defer(async () => {
      script.interrupt();
      await script.untilGroupIsGone();
    });
    const [said] = await script.untilOutput(/Ready on http|Address already in use/);
    if (said.startsWith("Ready")) {
      return;
    }
    await script[Symbol.asyncDispose]();
  }
}

async function makeCaller(folder: string, entry: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const config = [
    'name = "caller"',
    'main = "caller.js"',
    `compatibility_date = "${COMPATIBILITY_DATE}"`,
    "[[services]]",
    'binding = "STREAMS"',
    'service = "durable-stream"',
    'entrypoint = "DurableStreams"',
  ];
  const wrangler = `node --env-file=${join(root, "scripts/wrangler.env")} node_modules/wrangler/bin/wrangler.js`;
  await Promise.all([
    writeFile(join(folder, "caller.js"), await bundled(entry)),
    writeFile(join(folder, "wrangler.toml"), config.join("\n")),
    writeFile(join(folder, "package.json"), JSON.stringify({ private: true, scripts: { dev: `${wrangler} dev` } })),
    symlink(join(root, "node_modules"), join(folder, "node_modules")),
  ]);
}

async function bundled(entry: string): Promise<string> {
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });
  return outputFiles[0]?.text ?? "";
}
