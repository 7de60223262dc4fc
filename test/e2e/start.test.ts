import { execFile, fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

import { describe, expect } from "vitest";
import { WebSocket } from "ws";

import { DurableStream } from "../../rpc/client.ts";
import { makeCheckout, NpmScript } from "./server/checkout.ts";
import { Client } from "./server/client.ts";
import { test } from "./server/fixtures.ts";

const root = join(import.meta.dirname, "../..");

const LISTENS =
  /^Durable Stream listens on (http:\S+:\d+), data in (.*), [\d.]+ s\. To empty it: stop, and delete that folder\.$/m;

const KEY_REMEDY = "put the key in such a file, or leave the setting out to use API_KEY";
const DATA_REMEDY = "--data or DURABLE_STREAM_DATA names a folder that this user may write";

/** A checkout that is built three times: 18 s by itself, and more than a minute beside other builds. */
const BUILDS_MS = 180_000;

describe("the build of npm start", () => {
  test(
    "is kept while a server may run on it, and a folder that holds none is none",
    async ({ data }) => {
      const checkout = join(data, "checkout");
      const flags = ["--port", "0", "--data", join(data, "kept")];
      await makeCheckout(checkout);
      {
        await using npm = new NpmScript(checkout, "start", flags, { API_KEY: "k" });
        const [, url = ""] = await npm.untilOutput(LISTENS);
        const before = await consoleOf(url);
        await appendFile(join(checkout, "src/worker.ts"), "\n// Another build.\n");
        const other = ["--port", "0", "--data", join(data, "other")];
        await using beside = new NpmScript(checkout, "start", other, { API_KEY: "k" });
        await beside.untilOutput(LISTENS);

        expect(before).toContain("<title>");
        expect(await consoleOf(url)).toBe(before);
        expect(await readdir(join(checkout, "dist/server"))).toHaveLength(2);
      }
      for (const build of await readdir(join(checkout, "dist/server"))) {
        await rm(join(checkout, "dist/server", build, "options.json"));
      }
      await using npm = new NpmScript(checkout, "start", flags, { API_KEY: "k" });
      const [, url = ""] = await npm.untilOutput(LISTENS);

      expect(await consoleOf(url)).toContain("<title>");
    },
    BUILDS_MS,
  );
});

describe("npm start", () => {
  test("keeps what it has acknowledged, through a stop, a kill and another start", async ({ data }) => {
    const flags = ["--port", "0", "--data", data];
    {
      await using npm = new NpmScript(root, "start", flags, { API_KEY: "k" });
      const [, url = "", folder] = await npm.untilOutput(LISTENS);
      expect(folder).toBe(data);
      await using client = clientOf(url);
      await client.publish({ stream: "orders", data: 1 });
      await client.objects.put("a/key", "stored");
      expect(await run(flags)).toEqual({ exitCode: 1, output: `another server uses ${data}\n` });
      await expect(client.getConsumer({ stream: "orders", consumer: "packers" })).rejects.toThrow();
      await npm.untilOutput(/^{.*"a call failed","method":"getConsumer","stream":"orders","error":"NotFound: .*}$/m);

      npm.terminate();
      await npm.untilExited();
      await npm.untilGroupIsGone();
      await untilClosed(url);
      // A database that was closed in order has no log beside it.
      expect((await readdir(data, { recursive: true })).filter((file) => file.endsWith("-wal"))).toEqual([]);
    }
    {
      await using script = new Script(flags);
      const url = await script.untilListening();
      await using client = clientOf(url);
      await client.publish({ stream: "orders", data: 2 });

      script.signal("SIGKILL");
      await untilClosed(url);
    }
    await using script = new Script(flags);
    const url = await script.untilListening();
    await using client = clientOf(url);
    const { messages } = await client.getMessages({ stream: "orders" });
    expect(messages.map((message) => message.data)).toEqual([1, 2]);
    const { body } = await client.objects.get("a/key");
    expect(await new Response(body).text()).toBe("stored");

    script.signal("SIGTERM");
    expect(await script.untilExited()).toBe(0);
    await untilClosed(url);
  });

  test("starts a runtime that crashed again, and says so as a line of JSON", async ({ data }) => {
    await using script = new Script(["--port", "0", "--data", data]);
    const url = await script.untilListening();
    await using client = clientOf(url);
    await client.publish({ stream: "orders", data: 1 });

    await script.crashRuntime();

    await expect
      .poll(() => jsonLines(script.output))
      .toEqual([
        { level: "warn", what: "the runtime of this machine", message: expect.stringContaining("is being restarted") },
      ]);
    expect(await client.publish({ stream: "orders", data: 2 })).toMatchObject({ sequence: 2 });
    expect(script.output.match(/restarted/g)).toHaveLength(1);
  });

  test("stops while publishes come in, and has all it answered", async ({ data }) => {
    const flags = ["--port", "0", "--data", data];
    let answered = 0;
    {
      await using script = new Script(flags);
      const url = await script.untilListening();
      const socket = await Client.connect({ url, apiKey: "k" });
      const publish = async () => {
        for (;;) {
          await socket.call("publish", { stream: "orders", data: answered });
          answered += 1;
        }
      };
      const publishers = Promise.allSettled(Array.from({ length: 32 }, publish));
      await expect.poll(() => answered).toBeGreaterThan(100);

      script.signal("SIGINT");
      expect(await script.untilExited()).toBe(0);
      await publishers;
    }
    await using script = new Script(flags);
    await using client = clientOf(await script.untilListening());
    const { lastSequence } = await client.getStreamInfo({ stream: "orders" });
    expect(lastSequence).toBeGreaterThanOrEqual(answered);
    // Those that were stored, and cut off before their answer.
    expect(lastSequence).toBeLessThanOrEqual(answered + 32);
  });

  test("ends at once at a second signal, whatever it waits for", async ({ data }) => {
    await using script = new Script(["--port", "0", "--data", data]);
    const url = await script.untilListening();
    const upload = connect(Number(new URL(url).port), "127.0.0.1");
    await once(upload, "connect");
    upload.write("PUT /r2/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\nContent-Length: 9\r\n\r\nx");
    await fetch(`${url}/health`);

    script.signal("SIGTERM");
    // Signals that come sooner are one: of Ctrl-C, npm passes on what the terminal has sent too.
    await delay(600);
    script.signal("SIGTERM");

    expect(await script.untilExited()).toBe(1);
    upload.destroy();
  });

  test.for([
    [["--port", "high"], "the port is a number up to 65535"],
    [["--port", "65536"], "the port is a number up to 65535"],
    [["--host", "example.com"], "the host is an IP address of this machine or localhost"],
    [["--ports", "1"], "Unknown option '--ports'"],
    [["9000"], "Unexpected argument '9000'"],
    [["--key-file", "/nowhere"], `--key-file names /nowhere, which is not there: ${KEY_REMEDY}`],
    [["--key-file", "/"], `--key-file names /, which is a folder: ${KEY_REMEDY}`],
    [["--data", "package.json"], `data is to be in ${join(root, "package.json")}, which is a file: ${DATA_REMEDY}`],
    [
      ["--data", "package.json/a"],
      `data is to be in ${join(root, "package.json/a")}, which is below a file: ${DATA_REMEDY}`,
    ],
  ] as const)("refuses %s in one line", async ([flags, reason]) => {
    const { exitCode, output } = await run(flags);

    expect(exitCode).toBe(1);
    expect(output).toContain(reason);
    expect(output.trim().split("\n")).toHaveLength(1);
  });

  test("refuses to start without a key, or on a port in use", async ({ data, server }) => {
    const keyFile = join(data, "key");
    await writeFile(keyFile, "\n");
    const port = new URL(server.url).port;
    const unlocked = join(data, "unlocked");
    await mkdir(join(unlocked, "lock.sqlite"), { recursive: true });

    const refused = await Promise.all([
      run([], { API_KEY: "" }),
      run(["--key-file", keyFile]),
      run([], { DURABLE_STREAM_KEY_FILE: "/nowhere" }),
      run([], { GATEWAY_SHARDS: "none" }),
      run(["--port", "0", "--data", unlocked]),
      run(["--port", port, "--data", join(data, "other")]),
    ]);

    expect(refused).toEqual([
      { exitCode: 1, output: expect.stringMatching(/^there is no key: .*\n$/) },
      { exitCode: 1, output: `--key-file names ${keyFile}, which is empty: ${KEY_REMEDY}\n` },
      { exitCode: 1, output: `DURABLE_STREAM_KEY_FILE names /nowhere, which is not there: ${KEY_REMEDY}\n` },
      { exitCode: 1, output: 'GATEWAY_SHARDS is a whole number from 1 on, not "none"\n' },
      {
        exitCode: 1,
        output: `data is to be in ${unlocked}, where ${join(unlocked, "lock.sqlite")} can not be written (unable to open database file): ${DATA_REMEDY}\n`,
      },
      { exitCode: 1, output: `port ${port} of 127.0.0.1 is in use\n` },
    ]);
  });
});

test.for(["start", "dev", "demo"])(
  "npm run %s says that .env is a folder, in one line",
  async (script, { data: checkout }) => {
    await makeCheckout(checkout);
    const file = join(checkout, ".env");
    await mkdir(file);
    await using npm = new NpmScript(checkout, script, [], { DURABLE_STREAM_PORT: "0" });

    await npm.untilExited();

    expect(npm.exitCode).toBe(1);
    expect(npm.output).toContain(
      `settings are in ${file}, which is a folder: make it a file that can be read, or move it away\n`,
    );
    expect(npm.output).not.toMatch(/^ +at /m);
  },
);

/** scripts/start.ts without npm, in a process of its own. It does not outlive who made it: its server sees to that. */
class Script {
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;
  output = "";

  constructor(flags: readonly string[], env: Record<string, string> = {}) {
    const options = { execArgv: [], silent: true, env: { ...process.env, API_KEY: "k", ...env } };
    this.#process = fork(join(root, "scripts/start.ts"), flags, options);
    this.#exited = once(this.#process, "close");
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on("data", (text: Buffer) => {
        this.output += text.toString();
      });
    }
  }

  async untilListening(): Promise<string> {
    for (;;) {
      const [, url] = LISTENS.exec(this.output) ?? [];
      if (url !== undefined) {
        return url;
      }
      if (this.#process.exitCode !== null) {
        throw new Error(`it ended, and wrote: ${this.output}`);
      }
      await delay(20);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Ends workerd, which is the child of the server, which is the child of the script. */
  async crashRuntime(): Promise<void> {
    const [server = 0] = await childrenOf(this.#process.pid ?? 0);
    const [workerd = 0] = await childrenOf(server);
    process.kill(workerd, "SIGKILL");
  }

  async untilExited(): Promise<number | null> {
    await this.#exited;
    return this.#process.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.#exited;
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)("pgrep", ["-P", String(pid)]);
  return stdout.trim().split("\n").map(Number);
}

/** What was written as lines of JSON. */
function jsonLines(output: string): unknown[] {
  return output
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line): unknown => JSON.parse(line));
}

async function run(flags: readonly string[], env?: Record<string, string>) {
  await using script = new Script(flags, env);
  const exitCode = await script.untilExited();
  return { exitCode, output: script.output };
}

function clientOf(url: string): DurableStream {
  return new DurableStream({ url, token: "k", WebSocket });
}

/** Waits until nobody listens there any more. */
async function untilClosed(url: string): Promise<void> {
  for (;;) {
    try {
      await fetch(`${url}/health`, { signal: AbortSignal.timeout(1_000) });
    } catch {
      return;
    }
    await delay(20);
  }
}

/** What a browser is shown at the server's address. */
async function consoleOf(url: string): Promise<string> {
  const page = await fetch(url, { headers: { Accept: "text/html" } });
  return page.text();
}
