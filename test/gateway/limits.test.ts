import { env } from "cloudflare:workers";
import { describe, expect, it, onTestFinished, vi } from "vitest";

import { CloseCode, ErrorCode } from "../../rpc/index.ts";
import type { Access } from "../../src/access/access.ts";
import { socketOf } from "../access/ways.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { request } from "../harness/http.ts";
import { evict, gatewayOf, range } from "../harness/objects.ts";
import { tokenFor } from "../harness/tokens.ts";

/** A publisher whose token says so, or does not. */
function publisher(limits: Pick<Access, "publishesPerSecond" | "socketsPerSubject"> = {}): Access {
  const rights = [{ streams: [">"], actions: ["publish" as const] }];
  return { rights, subject: crypto.randomUUID(), expiresAt: Date.now() + 600_000, ...limits };
}

/** Gives a var another value until the test is over. */
function setVar(name: "PUBLISHES_PER_SECOND" | "SOCKETS_PER_SUBJECT", value: string): void {
  const before = env[name];
  Reflect.set(env, name, value);
  onTestFinished(() => void Reflect.set(env, name, before));
}

/** Stops the clock until the test is over; returns what moves it on. */
function stopClock(): (ms: number) => void {
  let nowMs = Date.now();
  const clock = vi.spyOn(Date, "now").mockImplementation(() => nowMs);
  onTestFinished(() => clock.mockRestore());
  return (ms) => void (nowMs += ms);
}

type Answer = { error?: { code: number; data: { retryAfterMs?: number } } };

/** Publishes so many messages in one frame, each by a call of its own, and tells the answers. */
async function publishes(client: TestClient, count: number, stream = crypto.randomUUID()): Promise<Answer[]> {
  const calls = range(1, count).map((id) => ({ jsonrpc: "2.0", id, method: "publish", params: { stream, data: id } }));
  return (await client.exchange(JSON.stringify(calls))) as Answer[];
}

function batch(count: number) {
  return { stream: "batches", messages: range(1, count).map((data) => ({ data })) };
}

/** The status of a handshake with a token. What it opens stays until the test is over, also when V8 collects meanwhile. */
async function open(access: Access): Promise<number> {
  const headers = { Authorization: `Bearer ${await tokenFor(access)}`, Upgrade: "websocket" };
  const { status, webSocket } = await request("/rpc", { headers });
  onTestFinished(() => {
    webSocket?.accept();
    webSocket?.close();
  });
  return status;
}

function stored(answers: Answer[]): number {
  return answers.filter(({ error }) => error === undefined).length;
}

describe("publishesPerSecond", () => {
  it.each([1, 3, 7, 50])("lets %i messages through in a second, exactly, and says when to go on", async (limit) => {
    const pass = stopClock();
    const client = await socketOf(publisher({ publishesPerSecond: limit }));

    const first = await publishes(client, limit + 5);
    const { error } = first[limit] ?? {};
    const retryAfterMs = error?.data.retryAfterMs ?? 0;
    pass(retryAfterMs - 1);
    const early = await publishes(client, 1);
    pass(1);
    const inTime = await publishes(client, 2);
    pass(1_000);
    const later = await publishes(client, limit + 1);

    expect(stored(first)).toBe(limit);
    expect(error?.code).toBe(ErrorCode.RateLimited);
    // Without the limit, which is a claim of a token.
    expect(error?.data).toEqual({ retryAfterMs: Math.ceil(1_000 / limit) });
    expect(stored(early)).toBe(0);
    expect(stored(inTime)).toBe(1);
    expect(stored(later)).toBe(limit);
  });

  it("counts the messages of a batch, and lets one that is larger through when nothing is owed", async () => {
    const pass = stopClock();
    const client = await socketOf(publisher({ publishesPerSecond: 10 }));

    await client.call("publishBatch", batch(6));
    expect((await client.callError("publishBatch", batch(5))).data).toMatchObject({ retryAfterMs: 100 });
    await client.call("publishBatch", batch(4));
    pass(1_000);
    await client.call("publishBatch", batch(25));
    await evict(await gatewayOf(client));
    pass(1_500);
    expect((await client.callError("publish", { stream: "batches", data: 1 })).data).toMatchObject({
      retryAfterMs: 100,
    });
    pass(100);
    await client.call("publish", { stream: "batches", data: 1 });
  });

  it("is the same through evictions, whenever they come", async () => {
    stopClock();
    const client = await socketOf(publisher({ publishesPerSecond: 3 }));
    const gateway = await gatewayOf(client);
    const answers: Answer[] = [];

    for (let publish = 0; publish < 6; publish += 1) {
      answers.push(...(await publishes(client, 1)));
      await evict(gateway);
    }

    expect(answers.map(({ error }) => error === undefined)).toEqual([true, true, true, false, false, false]);
  });

  it("keeps the order: what is behind a publish that is refused is not stored before it", async () => {
    stopClock();
    const client = await socketOf(publisher({ publishesPerSecond: 10 }));
    const batches = [6, 5, 1].map((count, id) => ({
      jsonrpc: "2.0",
      id,
      method: "publishBatch",
      params: batch(count),
    }));

    const answers = (await client.exchange(JSON.stringify(batches))) as Answer[];

    // There was room for the last one alone.
    expect(answers.map(({ error }) => error === undefined)).toEqual([true, false, false]);
    expect(answers[1]?.error?.code).toBe(ErrorCode.RateLimited);
  });

  it("is that of a new token for the calls behind it", async () => {
    stopClock();
    const access = publisher();
    const client = await socketOf(access);
    const token = await tokenFor({ ...access, publishesPerSecond: 1 });
    const publish = { method: "publish", params: { stream: "behind", data: 1 } };
    const calls = [{ method: "authenticate", params: { token } }, publish, publish];

    const answers = await client.exchange(JSON.stringify(calls.map((call, id) => ({ jsonrpc: "2.0", id, ...call }))));

    expect(stored(answers as Answer[])).toBe(2);
  });

  it("is that of the server for a token that says none, and none for the key", async () => {
    setVar("PUBLISHES_PER_SECOND", "2");
    stopClock();
    const [own, byServer, root] = [
      await socketOf(publisher({ publishesPerSecond: 4 })),
      await socketOf(publisher()),
      await connect(),
    ];

    expect(stored(await publishes(own, 10))).toBe(4);
    expect(stored(await publishes(byServer, 10))).toBe(2);
    expect(stored(await publishes(root, 10))).toBe(10);
  });

  it("is that of a new token at once, with what was published before", async () => {
    stopClock();
    const access = publisher({ publishesPerSecond: 4 });
    const client = await socketOf(access);
    expect(stored(await publishes(client, 3))).toBe(3);

    await client.call("authenticate", { token: await tokenFor({ ...access, publishesPerSecond: 5 }) });

    expect(stored(await publishes(client, 10))).toBe(2);
  });

  it("bounds a subject over HTTP too, within an isolate", async () => {
    stopClock();
    const token = await tokenFor(publisher({ publishesPerSecond: 3 }));
    const calls = range(1, 2).map((id) => ({
      jsonrpc: "2.0",
      id,
      method: "publish",
      params: { stream: "h", data: id },
    }));
    const post = async () => {
      const headers = { Authorization: `Bearer ${token}` };
      return (await request("/rpc", { method: "POST", body: JSON.stringify(calls), headers })).json<Answer[]>();
    };

    expect([stored(await post()), stored(await post())]).toEqual([2, 1]);
  });
});

describe("socketsPerSubject", () => {
  it("refuses one socket more of a subject, with a status or a close code, until one is closed", async () => {
    const shards = env.GATEWAY_SHARDS;
    Reflect.set(env, "GATEWAY_SHARDS", "1");
    onTestFinished(() => void Reflect.set(env, "GATEWAY_SHARDS", shards));
    const warnings = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    onTestFinished(() => warnings.mockRestore());
    const access = publisher({ socketsPerSubject: 2 });
    const headers = { Authorization: `Bearer ${await tokenFor(access)}` };
    const held = [await connect("/rpc", headers), await connect("/rpc", headers)];
    const other = await tokenFor({ ...access, subject: "another" });

    const refused = await request("/rpc", { headers: { Upgrade: "websocket", ...headers } });
    const closed = await connect("/rpc", { ...headers, "Sec-WebSocket-Protocol": "durable-stream.v1" });

    expect(refused.status).toBe(429);
    expect(JSON.parse(String(warnings.mock.calls[0]?.[0]))).toMatchObject({
      level: "warn",
      what: "a socket is refused, as its subject has as many as it may",
      subject: access.subject,
      limit: 2,
    });
    expect(await refused.json()).toMatchObject({
      error: { code: ErrorCode.RateLimited, data: { retryAfterMs: 5_000 } },
    });
    expect(await closed.until(() => closed.closed, "the refusal")).toMatchObject({ code: CloseCode.TooManySockets });
    await connect("/rpc", { Authorization: `Bearer ${other}` });
    await evict(await gatewayOf(held[1] ?? closed));
    expect((await request("/rpc", { headers: { Upgrade: "websocket", ...headers } })).status).toBe(429);
    held[0]?.close();
    await held[0]?.until(() => held[0]?.closed, "the close");
    await expect
      .poll(async () => (await request("/rpc", { headers: { Upgrade: "websocket", ...headers } })).status)
      .toBe(101);
  });

  it("is that of the server for a token that says none, and no bound of who has no subject", async () => {
    setVar("SOCKETS_PER_SUBJECT", "1");
    const shards = env.GATEWAY_SHARDS;
    Reflect.set(env, "GATEWAY_SHARDS", "1");
    onTestFinished(() => void Reflect.set(env, "GATEWAY_SHARDS", shards));
    const [named, nameless] = [publisher(), { ...publisher(), subject: undefined }];

    expect([await open(named), await open(named)]).toEqual([101, 429]);
    expect([await open(nameless), await open(nameless)]).toEqual([101, 101]);
  });
});

it("takes one name of two tenants for two subjects", async () => {
  stopClock();
  const shards = env.GATEWAY_SHARDS;
  Reflect.set(env, "GATEWAY_SHARDS", "1");
  onTestFinished(() => void Reflect.set(env, "GATEWAY_SHARDS", shards));
  const alice = publisher({ publishesPerSecond: 1, socketsPerSubject: 1 });
  const tenants = ["acme.", "umbrella."].map((prefix) => ({ ...alice, prefix }));
  const body = '{"jsonrpc":"2.0","id":1,"method":"publish","params":{"stream":"of-tenants","data":1}}';
  const publish = async (access: Access): Promise<boolean> => {
    const headers = { Authorization: `Bearer ${await tokenFor(access)}` };
    const { error }: Answer = await (await request("/rpc", { method: "POST", body, headers })).json();
    return error === undefined;
  };

  const [opened, published]: [number[], boolean[]] = [[], []];
  for (const access of [...tenants, ...tenants]) {
    opened.push(await open(access));
    published.push(await publish(access));
  }

  expect(opened).toEqual([101, 101, 429, 429]);
  expect(published).toEqual([true, true, false, false]);
});
