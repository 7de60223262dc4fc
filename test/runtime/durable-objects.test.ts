import { env } from "cloudflare:workers";
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";

import { connect } from "../harness/client.ts";
import { gatewayOf } from "../harness/objects.ts";

/** What this project relies on from the runtime; each fact is used where the comment says. */

it("can not pass a WebSocket by RPC, so that a handshake must go by fetch (worker.ts)", async () => {
  const { 0: socket } = new WebSocketPair();
  const stream = env.STREAM.getByName("runtime-websocket");

  // Any method will do: the argument does not get as far as one. Awaited here, because an RPC promise is more than one
  // promise: what it is asked for rejects too.
  let refusal: unknown;
  try {
    await stream.putState({ stream: "runtime-websocket", state: socket as unknown as string });
  } catch (error) {
    refusal = error;
  }

  expect(String(refusal)).toMatch(/Could not serialize object of type "WebSocket"/);
});

it("names an object in its constructor, and again when it wakes (gateway.ts)", async () => {
  const client = await connect();
  const gateway = await gatewayOf(client);
  const name = () => runInDurableObject(gateway, (_gateway, state) => state.id.name);

  const before = await name();
  await evictDurableObject(gateway, { webSockets: "hibernate" });
  const after = await name();

  expect(before).toMatch(/^local-\d+$/);
  expect(after).toBe(before);
});

it("undoes the writes of a transactionSync that throws, and not those of a plain throw (stream.ts)", async () => {
  const [plain, transaction] = await runInDurableObject(
    env.STREAM.getByName("runtime-sync"),
    (_stream, { storage }) => {
      const { sql } = storage;
      const count = () => sql.exec<{ count: number }>("SELECT COUNT(*) AS count FROM t").one().count;
      const insertAndThrow = () => {
        sql.exec("INSERT INTO t (n) VALUES (1)");
        throw new Error("half way");
      };
      sql.exec("CREATE TABLE t (n INTEGER)");
      expect(insertAndThrow).toThrow("half way");
      const afterPlain = count();
      expect(() => storage.transactionSync(insertAndThrow)).toThrow("half way");
      return [afterPlain, count()];
    },
  );

  expect([plain, transaction]).toEqual([1, 1]);
});

it("does not count freed pages in databaseSize, so that room comes back with a delete (admission)", async () => {
  const sizes = await runInDurableObject(env.STREAM.getByName("runtime-size"), (_stream, { storage }) => {
    const { sql } = storage;
    sql.exec("CREATE TABLE t (text TEXT)");
    const empty = sql.databaseSize;
    sql.exec("INSERT INTO t (text) VALUES (?)", "x".repeat(1_000_000));
    const full = sql.databaseSize;
    sql.exec("DELETE FROM t");
    return { empty, full, freed: sql.databaseSize };
  });

  expect(sizes.full).toBeGreaterThan(sizes.empty + 990_000);
  expect(sizes.freed).toBeLessThan(sizes.empty + 100_000);
});

it("deletes tables and the alarm at once with deleteAll (Stream.destroy)", async () => {
  const left = await runInDurableObject(env.STREAM.getByName("runtime-delete"), async (_stream, { storage }) => {
    storage.sql.exec("CREATE TABLE t (n INTEGER)");
    await storage.setAlarm(Date.now() + 60_000);
    const deleting = storage.deleteAll();
    const tables = storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 't'").toArray();
    await deleting;
    return { tables, alarm: await storage.getAlarm() };
  });

  expect(left).toEqual({ tables: [], alarm: null });
});

it("does not allow PRAGMA user_version (schema.ts)", async () => {
  await runInDurableObject(env.STREAM.getByName("runtime-version"), (_stream, { storage }) => {
    expect(() => storage.sql.exec("PRAGMA user_version")).toThrow(/not authorized/);
  });
});

it("counts one row for an insert, and one more for each index but a WITHOUT ROWID key (schema.ts)", async () => {
  const rows = await runInDurableObject(env.STREAM.getByName("runtime-rows"), (_stream, { storage }) => {
    const { sql } = storage;
    sql.exec("CREATE TABLE plain (n INTEGER PRIMARY KEY, text TEXT)");
    sql.exec("CREATE TABLE keyed (name TEXT PRIMARY KEY)");
    sql.exec("CREATE TABLE bare (name TEXT PRIMARY KEY) WITHOUT ROWID");
    return {
      plain: sql.exec("INSERT INTO plain (text) VALUES ('a')").rowsWritten,
      keyed: sql.exec("INSERT INTO keyed (name) VALUES ('a')").rowsWritten,
      bare: sql.exec("INSERT INTO bare (name) VALUES ('a')").rowsWritten,
    };
  });

  expect(rows).toEqual({ plain: 1, keyed: 2, bare: 1 });
});

it("keeps attachments and sockets over an eviction, and gives the same socket to every event (session.ts)", async () => {
  const client = await connect();
  const gateway = await gatewayOf(client);
  const attachments = () =>
    runInDurableObject(gateway, (_gateway, state) =>
      state.getWebSockets().map((ws) => {
        const attachment: { socket: string } = ws.deserializeAttachment();
        return attachment.socket;
      }),
    );

  const before = await attachments();
  await evictDurableObject(gateway, { webSockets: "hibernate" });
  const after = await attachments();

  expect(after.toSorted()).toEqual(before.toSorted());
  expect(client.closed).toBeUndefined();
});

it("takes attachments of 16,384 bytes and no more (session.ts)", async () => {
  const client = await connect();
  await runInDurableObject(await gatewayOf(client), (_gateway, state) => {
    const { 1: server } = new WebSocketPair();
    state.acceptWebSocket(server);
    expect(() => server.serializeAttachment("x".repeat(16_000))).not.toThrow();
    expect(() => server.serializeAttachment("x".repeat(17_000))).toThrow(/16384/);
    server.close();
  });
});

it("refuses to send a Close that is none, and a second one is nothing (closing.ts)", async () => {
  const client = await connect();
  await runInDurableObject(await gatewayOf(client), (_gateway, state) => {
    const { 1: server } = new WebSocketPair();
    state.acceptWebSocket(server);
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 5000, 65_535]) {
      expect(() => server.close(code, "")).toThrow(/code/);
    }
    expect(() => server.close(1000, "x".repeat(124))).toThrow(/123 bytes/);
    expect(server.readyState).toBe(WebSocket.OPEN);
    server.close(1000, "x".repeat(123));
    expect(() => server.close(1002, "")).not.toThrow();
  });
});
