import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { inject, test as base } from "vitest";
import type { TestContext } from "vitest";

import { Client } from "./client.ts";
import { Server } from "./server.ts";
import type { ServerOptions } from "./server.ts";

type Fixtures = {
  /** An empty folder of this test, removed after it. */
  data: string;
  /** How the server differs from the usual one: `test.extend({ options: { vars: { GATEWAY_SHARDS: "1" } } })`. */
  options: Pick<ServerOptions, "apiKey" | "vars" | "isInspected">;
  /** A started server on `data`, ended after the test; its log is shown when the test fails. */
  server: Server;
  /** Opens a socket to `server`, dropped after the test. */
  connect: (path?: string) => Promise<Client>;
};

/** Opens sockets to a server, and drops them. */
async function connect({ server }: { server: Server }, use: (connect: Fixtures["connect"]) => Promise<void>) {
  const clients: Client[] = [];
  await use(async (path) => {
    const client = await Client.connect(server, path);
    clients.push(client);
    return client;
  });
  for (const client of clients) {
    client.terminate();
  }
}

/** `test` with a server of its own, which takes less than a second; a test that asks for none gets none. */
export const test = base.extend<Fixtures>({
  // Vitest wants an object pattern, also of a fixture that depends on none.
  // oxlint-disable-next-line no-empty-pattern
  data: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), "durable-stream-data-"));
    await use(folder);
    await rm(folder, { recursive: true, maxRetries: 3 });
  },

  options: {},

  server: async ({ data, options, task, onTestFailed }, use) => {
    await using server = new Server({ ...options, worker: inject("worker"), data });
    showLog({ server, task, onTestFailed });
    await server.start();
    await use(server);
  },

  connect,
});

/**
 * Makes a `test` whose tests share one server, which the first of them starts: for tests that use names of their own, so
 * that none sees what another has left.
 */
export function sharingServer(options: Fixtures["options"] = {}) {
  return base.extend<{ $file: Pick<Fixtures, "server">; $test: Pick<Fixtures, "connect"> & { shownLog: undefined } }>({
    server: [
      // oxlint-disable-next-line no-empty-pattern
      async ({}, use) => {
        const data = await mkdtemp(join(tmpdir(), "durable-stream-data-"));
        {
          await using server = new Server({ ...options, worker: inject("worker"), data });
          await server.start();
          await use(server);
        }
        await rm(data, { recursive: true, maxRetries: 3 });
      },
      { scope: "file" },
    ],

    shownLog: [
      async ({ server, task, onTestFailed }, use) => {
        showLog({ server, task, onTestFailed });
        await use(undefined);
      },
      { auto: true },
    ],

    connect,
  });
}

/** Has the server's log shown when the test fails. */
function showLog({
  server,
  task,
  onTestFailed,
}: Pick<TestContext, "task" | "onTestFailed"> & { server: Server }): void {
  onTestFailed(() => {
    process.stderr.write(`The server's log in "${task.name}":\n${server.log}\n`);
  });
}
