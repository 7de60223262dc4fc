import { chmod, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect } from "vitest";

import { sharingServer } from "../server/fixtures.ts";
import { run } from "./command-line.ts";
import { folderOf } from "./folder.ts";

const test = sharingServer().extend<{ folder: string }>({ folder: folderOf });

test("keeps contexts in a file that only its owner can read, and shows no key", async ({ server, folder }) => {
  const env = { XDG_CONFIG_HOME: folder };
  const key = join(folder, "key.txt");
  await writeFile(key, `${server.apiKey}\n`);
  const file = join(folder, "durable-stream/contexts.json");

  const fromFile = await run(undefined, ["context", "add", "one", "--url", server.url, "--token-file", key], { env });
  const fromPipe = await run(undefined, ["context", "add", "two", "--url", "http://127.0.0.1:1", "--token-file", "-"], {
    env,
    input: "other-key\n",
  });
  const used = await run(undefined, ["info"], { env });
  const listed = await run(undefined, ["context", "ls"], { env });

  expect([fromFile, fromPipe, used, listed].map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(listed.stdout).toBe(
    `${JSON.stringify({ name: "one", url: server.url, inUse: true })}\n` +
      `${JSON.stringify({ name: "two", url: "http://127.0.0.1:1", inUse: false })}\n`,
  );

  expect((await run(undefined, ["info", "--context", "two"], { env })).code).toBe(3);
  expect((await run(undefined, ["context", "use", "two"], { env })).code).toBe(0);
  expect((await run(undefined, ["info"], { env })).code).toBe(3);
  expect((await run(undefined, ["info", "--context", "one"], { env })).code).toBe(0);
  expect((await run(undefined, ["context", "rm", "two"], { env })).code).toBe(0);
  expect((await run(undefined, ["info", "--context", "two"], { env })).code).toBe(2);
  expect((await run(undefined, ["context", "use", "nothing"], { env })).code).toBe(2);

  await chmod(file, 0o644);
  expect(await run(undefined, ["context", "ls"], { env })).toMatchObject({
    code: 4,
    stderr: expect.stringContaining("chmod 600"),
  });
});

test("takes flags before the environment, and that before the context in use", async ({ server, folder }) => {
  const env = { XDG_CONFIG_HOME: folder, DURABLE_STREAM_TOKEN: server.apiKey };
  await run(undefined, ["context", "add", "here", "--url", server.url], { env });
  const nowhere = "http://127.0.0.1:1";
  const codeOf = async (args: string[], more: Record<string, string> = {}) =>
    (await run(undefined, ["info", ...args], { env: { XDG_CONFIG_HOME: folder, ...more } })).code;

  expect(await codeOf([])).toBe(0);
  expect(await codeOf([], { DURABLE_STREAM_URL: nowhere, DURABLE_STREAM_TOKEN: "k" })).toBe(3);
  expect(await codeOf(["--context", "here"], { DURABLE_STREAM_URL: nowhere, DURABLE_STREAM_TOKEN: "k" })).toBe(0);
  expect(
    await codeOf(["--url", server.url], { DURABLE_STREAM_URL: nowhere, DURABLE_STREAM_TOKEN: server.apiKey }),
  ).toBe(0);
  expect(await codeOf(["--url", server.url, "--context", "here"])).toBe(2);
});

test("sends the key of a context to no other server", async ({ server, folder }) => {
  const env = { XDG_CONFIG_HOME: folder };
  await run(undefined, ["context", "add", "here", "--url", server.url, "--token-file", "-"], { env, input: "k" });

  const byFlag = await run(undefined, ["info", "--url", "http://127.0.0.1:1"], { env });
  const byEnv = await run(undefined, ["info"], { env: { ...env, DURABLE_STREAM_URL: "http://127.0.0.1:1" } });

  expect([byFlag, byEnv].map(({ code, stderr }) => [code, stderr.split(":")[0]])).toEqual([
    [2, "no key for http"],
    [2, "no key for http"],
  ]);
});
