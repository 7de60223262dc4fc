import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect } from "vitest";
import { WebSocket } from "ws";

import { DurableStream } from "../../../rpc/client.ts";

import { jwks, newKey } from "../access/token-maker.ts";
import { test as base } from "../server/fixtures.ts";
import { freePort } from "../server/free-port.ts";
import { markedBlock, programFolder, withOwnClient } from "./pages.ts";

const test = base.extend<{ options: { vars: Record<string, string> } }>({
  options: { vars: { TOKEN_KEYS: jwks(newKey("HS256", "first").jwk) } },
});

/** A page's `fetch` takes paths of its own origin, which Node.js has not. */
const asPageOf = (origin: string) =>
  `const elsewhere = fetch; globalThis.fetch = (path) => elsewhere(new URL(path, "${origin}"));\n`;

test("has in README.md a backend and a page: the page gets a token by the one, and may do what the backend says", async ({
  server,
}) => {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  await using folder = await programFolder();
  const [backend, page] = ["backend", "page"].map((name) => join(folder.path, `${name}.mjs`)) as [string, string];
  const ofBackend = markedBlock("README.md", "token example: backend").replace("8080", `${port}, "127.0.0.1"`);
  const ofPage = markedBlock("README.md", "token example: page").replace("https://streams.example.com", server.url);
  await writeFile(backend, withOwnClient(ofBackend));
  await writeFile(page, asPageOf(origin) + withOwnClient(ofPage));
  const env = { ...process.env, STREAM_URL: server.url, API_KEY: server.apiKey };
  await using started = new AsyncDisposableStack();
  const start = (program: string, own: NodeJS.ProcessEnv) => {
    const child = spawn(process.execPath, [program], { env: own, stdio: ["ignore", "pipe", "inherit"] });
    started.defer(async () => {
      if (child.exitCode === null && child.kill()) {
        await once(child, "exit");
      }
    });
    return child;
  };

  start(backend, env);
  await expect
    .poll(() =>
      fetch(origin).then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBe(200);
  const running = start(page, { PATH: process.env["PATH"] });
  const [said] = await Promise.race([once(running.stdout, "data"), once(running, "exit")]);

  expect(String(said)).toBe("hello\n");
  const response = await fetch(`${origin}/token`);
  expect(response.headers.get("Cache-Control")).toBe("no-store");
  await using client = new DurableStream({ url: server.url, token: await response.text(), WebSocket });
  expect(await client.getMessages({ stream: "room.7" })).toMatchObject({ messages: [{ data: "hello" }] });
  for (const call of [client.deleteStream({ stream: "room.7" }), client.getMessages({ stream: "room.8" })]) {
    await expect(call).rejects.toMatchObject({ name: "Forbidden" });
  }
});
