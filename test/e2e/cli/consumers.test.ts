import { once } from "node:events";
import type { AddressInfo } from "node:net";

import { expect } from "vitest";
import { WebSocketServer } from "ws";

import type { ConsumerInfo, DeadLetter } from "../../../rpc/index.ts";
import type { Target } from "../server/client.ts";
import { sharingServer } from "../server/fixtures.ts";
import { rows, run, Running } from "./command-line.ts";

const test = sharingServer();

async function prepare(server: Target, stream: string, flags: readonly string[] = []): Promise<void> {
  await run(server, ["pub", stream], { input: "1\n2\n3\n" });
  await rows(server, ["consumer", "create", stream, "packers", ...flags]);
}

test("creates, lists, shows, pauses, resumes, seeks and removes a consumer", async ({ server }) => {
  const flags = ["--filter", "eu.>", "--ack-wait", "5m", "--max-deliver", "3", "--max-in-flight", "7"];
  const names = ["managed", "packers"];

  const create = ["consumer", "create", ...names, ...flags, "--backoff", "1s,10s", "--from", "new"];
  const [created] = await rows<ConsumerInfo>(server, create);
  const listed = await rows<ConsumerInfo>(server, ["consumer", "ls", "managed"]);
  const [paused] = await rows<ConsumerInfo>(server, ["consumer", "pause", ...names]);
  const [shown] = await rows<ConsumerInfo>(server, ["consumer", "info", ...names]);
  const [resumed] = await rows<ConsumerInfo>(server, ["consumer", "resume", ...names]);
  const [sought] = await rows<ConsumerInfo>(server, ["consumer", "seek", ...names, "--from", "first"]);
  const unsure = await run(server, ["consumer", "rm", ...names]);
  const sure = await run(server, ["consumer", "rm", ...names, "--yes"]);

  expect(created?.config).toEqual({
    from: "new",
    filter: "eu.>",
    ackWaitMs: 300_000,
    maxDeliver: 3,
    maxInFlight: 7,
    backoffMs: [1_000, 10_000],
  });
  expect(listed.map(({ consumer }) => consumer)).toEqual(["packers"]);
  expect([paused, shown, resumed].map((info) => info?.paused)).toEqual([true, true, false]);
  expect(sought?.ackFloor).toBe(0);
  expect([unsure.code, sure.code]).toEqual([2, 0]);
  expect(await rows(server, ["consumer", "ls", "managed"])).toEqual([]);
});

test("lists consumers in a table for people", async ({ server }) => {
  await prepare(server, "table");

  const { stdout } = await run(server, ["consumer", "ls", "table", "--human"]);

  expect(stdout).toMatch(/^consumer +ack floor +pending .*\npackers +0 +3 /);
});

// A server counts to the end within moments: this one never does.
test("tells people of a count that goes on that it is the least, and leaves JSON as it is", async () => {
  const counted = { consumer: "counted", pending: 1_234 };
  const counting = { consumer: "counting", pending: 5_678, pendingIsEstimate: true };
  await using server = await scriptedServer({
    listConsumers: { consumers: [counted, counting] },
    getConsumer: { ...counting, deadLetters: 9 },
  });

  const { stdout } = await run(server, ["consumer", "ls", "orders", "--human"]);
  const asked = await run(server, ["consumer", "rm", "orders", "counting"]);

  expect(stdout).toMatch(/^counted +1,234$/m);
  expect(stdout).toMatch(/^counting +≥ 5,678$/m);
  expect(asked.stderr).toContain("which has at least 5,678 messages to deliver and 9 dead letters?");
  expect(await rows(server, ["consumer", "ls", "orders"])).toEqual([counted, counting]);
});

test("work runs a command for each message, acks on 0, and makes dead letters of the rest, which dead handles", async ({
  server,
}) => {
  await prepare(server, "worked", ["--max-deliver", "1"]);
  const script = `let text = ""; for await (const chunk of process.stdin) text += chunk;
    const { sequence, data } = JSON.parse(text);
    console.log(sequence, data, process.env.DURABLE_STREAM_SEQUENCE);
    process.exit(sequence === 2 ? 7 : 0);`;
  const names = ["worked", "packers"];
  const command = [process.execPath, "--input-type=module", "-e", script];
  await using running = new Running(server, ["consumer", "work", ...names, "--", ...command]);
  await running.until(({ stdout }) => stdout.trimEnd().split("\n").length === 3, "three messages");

  running.signal("SIGINT");
  const { code, stdout, stderr } = await running.untilEnded();
  const dead = await rows<DeadLetter>(server, ["dead", "ls", ...names]);
  const [info] = await rows<ConsumerInfo>(server, ["consumer", "info", ...names]);

  expect(code).toBe(130);
  expect(stdout.trimEnd().split("\n").toSorted()).toEqual(["1 1 1", "2 2 2", "3 3 3"]);
  expect(stderr).toMatch(/^acked 2 messages in .*, gave back 1\n$/);
  expect(dead).toMatchObject([{ sequence: 2, deliveries: 1, reason: "maxDeliver" }]);
  expect(info).toMatchObject({ ackFloor: 3, inFlight: 0, pending: 0 });

  expect((await run(server, ["dead", "retry", ...names])).code).toBe(2);
  expect(await rows(server, ["dead", "retry", ...names, "2"])).toEqual([{ count: 1 }]);
  expect(await rows(server, ["dead", "ls", ...names])).toEqual([]);
  expect((await run(server, ["dead", "rm", ...names, "--all"])).code).toBe(2);
  expect(await rows(server, ["dead", "rm", ...names, "--all", "--yes"])).toEqual([{ count: 0 }]);
});

test("work waits for the commands that run when it is told to end, and acks them", async ({ server }) => {
  await prepare(server, "waited");
  // It goes on for as long as its standard output is not told to it.
  const script = `console.log("begun"); process.on("SIGTERM", () => {}); setTimeout(() => console.log("done"), 500);`;
  const work = ["consumer", "work", "waited", "packers", "--concurrency", "2", "--data"];
  await using running = new Running(server, [...work, "--", process.execPath, "-e", script]);
  await running.until(({ stdout }) => stdout.split("begun").length === 3, "two commands");

  running.signal("SIGTERM");
  const { code, stdout } = await running.untilEnded();

  expect(code).toBe(143);
  expect(stdout.match(/begun|done/g)?.toSorted()).toEqual(["begun", "begun", "done", "done"]);
  expect(await rows(server, ["consumer", "info", "waited", "packers"])).toMatchObject([
    { ackFloor: 2, pending: 1, inFlight: 0 },
  ]);
});

test("work extends the deadline of a message while its command runs", async ({ server }) => {
  await run(server, ["pub", "long", "1"]);
  await rows(server, ["consumer", "create", "long", "packers", "--ack-wait", "600ms"]);
  const work = ["consumer", "work", "long", "packers", "--concurrency", "2"];
  await using running = new Running(server, [...work, "--", "sh", "-c", "echo begun; sleep 2; echo done"]);
  await running.until(({ stdout }) => stdout.includes("done"), "the command's end");

  running.signal("SIGINT");
  const { stdout } = await running.untilEnded();

  expect(stdout).toBe("begun\ndone\n");
});

test("work ends when its command can not be run, and blames no message", async ({ server }) => {
  await prepare(server, "missing", ["--max-deliver", "1"]);

  const { code, stderr } = await run(server, ["consumer", "work", "missing", "packers", "--", "/nonexistent/command"]);

  expect(code).toBe(4);
  expect(stderr).toContain("the command can not be run");
  expect(await rows(server, ["consumer", "info", "missing", "packers"])).toMatchObject([
    { pending: 3, deadLetters: 0, inFlight: 0 },
  ]);
});

/** A server that has an answer for each of these methods, and only that. */
async function scriptedServer(results: Readonly<Record<string, unknown>>): Promise<Target & AsyncDisposable> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    socket.on("message", (data: Buffer) => {
      if (data.toString() === "ping") {
        socket.send("pong");
        return;
      }
      const { id, method }: { id: number; method: string } = JSON.parse(data.toString());
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, result: results[method] }));
    });
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    apiKey: "any",
    async [Symbol.asyncDispose]() {
      server.clients.forEach((socket) => socket.terminate());
      server.close();
      await once(server, "close");
    },
  };
}
