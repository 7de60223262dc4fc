import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { DurableStream } from "../../rpc/client.ts";
import type { ConnectionChange } from "../../rpc/client.ts";

import { pass, published, ScriptedServer, standing, watch } from "./scripted-server.ts";

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const READ = { stream: "s" };

describe("connecting", () => {
  it("waits until it is needed, and carries the key in a subprotocol and never in the URL", async () => {
    const client = server.client({ url: "https://stream.test", token: "kéy/+" });
    await pass(1_000);
    expect(server.sockets).toHaveLength(0);
    expect(client.state).toBe("idle");
    watch(client.getState(READ));
    await pass();

    expect(server.socket.url).toBe("wss://stream.test/rpc");
    const encoded = Buffer.from("kéy/+").toString("base64url");
    expect(server.socket.protocols).toEqual(["durable-stream.v1", `bearer.${encoded}`]);
    expect(client.state).toBe("open");
  });

  it.each([
    ["http://localhost:8787", "ws://localhost:8787/rpc"],
    ["wss://stream.test/stream/orders", "wss://stream.test/stream/orders"],
  ])("takes a URL with or without a path: %s", async (url, expected) => {
    const client = server.client({ url: new URL(url) });
    watch(client.getState(READ));
    await pass();

    expect(server.socket.url).toBe(expected);
  });

  it("says what is missing where there is no WebSocket", () => {
    vi.stubGlobal("WebSocket", undefined);

    expect(() => new DurableStream({ url: "https://stream.test", token: "key" })).toThrow(/option WebSocket/);
  });

  it("asks a function for a token at each attempt, and tries again when it fails", async () => {
    const tokens = ["first", new Error("no token now"), "second"];
    const client = server.client({
      token: async () => {
        const token = tokens.shift();
        if (token instanceof Error) {
          throw token;
        }
        return token ?? "";
      },
    });
    watch(client.getState(READ));
    await pass();
    server.socket.end();
    await pass(5);

    const offered = server.sockets.map(({ protocols }) => protocols[1]);
    expect(offered).toEqual(["first", "second"].map((token) => `bearer.${Buffer.from(token).toString("base64url")}`));
  });

  it("waits for a token no longer than for a handshake, and asks again", async () => {
    const asked: ((token: string) => void)[] = [];
    const client = server.client({
      token: () => new Promise((resolve) => asked.push(resolve)),
      connectTimeoutMs: 1_000,
    });
    const call = watch(client.getServerInfo());
    await pass(999);
    expect(asked).toHaveLength(1);
    await pass(2);
    asked[1]?.("second");
    asked[0]?.("first");
    await pass();

    expect(server.sockets).toHaveLength(1);
    expect(server.socket.protocols).toContain(`bearer.${Buffer.from("second").toString("base64url")}`);
    expect(call.outcome).toBe("pending");
  });

  it("takes a handshake that takes too long for failed", async () => {
    server.onConnect = () => undefined;
    const client = server.client({ connectTimeoutMs: 3_000 });
    watch(client.getState(READ));
    await pass(2_999);
    expect(server.sockets).toHaveLength(1);
    const [first] = server.sockets;
    await pass(2);
    expect(server.sockets).toHaveLength(2);
    // Opened late, it is closed and not used.
    first?.open();
    await pass();

    expect(first?.isClosed).toBe(true);
    expect(first?.frames).toEqual([]);
  });
});

describe("credentials that the server does not take", () => {
  it("end a client with one token: everything is told, and nothing is tried again", async () => {
    const client = server.client();
    const open = [watch(client.getState(READ)), watch(client.publish({ stream: "s", data: 1 }))];
    const subscription = client.subscribe(READ);
    const next = watch(subscription.next());
    await pass();
    server.socket.end(4401, "no valid credentials");
    await pass(100_000);

    const unknown = { error: { name: "OutcomeUnknown", cause: { name: "Unauthenticated" } } };
    expect(open[0]?.outcome).toMatchObject({ error: { name: "Unavailable", cause: { name: "Unauthenticated" } } });
    expect(open[1]?.outcome).toMatchObject(unknown);
    expect(next.outcome).toMatchObject({ error: { name: "Unauthenticated" } });
    expect(await standing(watch(client.getState(READ)))).toMatchObject({ error: { name: "Unauthenticated" } });
    expect(await standing(watch(client.subscribe(READ).next()))).toMatchObject({ error: { name: "Unauthenticated" } });
    expect(client.state).toBe("closed");
    expect(server.sockets).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("lets a function bring a better token", async () => {
    let token = "old";
    const client = server.client({ token: () => token });
    const read = watch(client.getState(READ));
    await pass();
    server.socket.end(4401);
    token = "new";
    await pass(1);
    server.socket.answer({ id: server.socket.calls()[0]?.id, result: { state: null, revision: 0 } });

    expect(await standing(read)).toMatchObject({ value: { revision: 0 } });
  });
});

describe("reconnecting", () => {
  it("waits a random time up to a bound that doubles from 0.5 s to 30 s, and begins anew once a server answers", async () => {
    const waits: number[] = [];
    const random = vi.spyOn(Math, "random").mockReturnValue(1 - Number.EPSILON);
    server.onConnect = (socket) => queueMicrotask(() => socket.end());
    const onState = ({ retryInMs }: ConnectionChange) => retryInMs !== undefined && waits.push(Math.ceil(retryInMs));
    const client = server.client({ reconnect: {}, onState });
    const read = watch(client.getState(READ, { timeoutMs: 1_000_000 }));
    await pass(150_000);
    expect(waits.slice(0, 9)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    random.mockReturnValue(0);
    server.onConnect = (socket) => queueMicrotask(() => socket.open());
    await pass(30_000);
    server.socket.answer({ id: server.socket.calls()[0]?.id, result: { state: null, revision: 0 } });
    expect(await standing(read)).toMatchObject({ value: { revision: 0 } });
    waits.length = 0;
    random.mockReturnValue(1 - Number.EPSILON);
    server.socket.end();
    await pass();

    expect(waits).toEqual([500]);
  });

  it("wakes early when the browser is online again", async () => {
    const listeners = new Set<() => void>();
    vi.stubGlobal("navigator", { onLine: false });
    vi.stubGlobal("addEventListener", (_type: string, listener: () => void) => listeners.add(listener));
    vi.stubGlobal("removeEventListener", (_type: string, listener: () => void) => listeners.delete(listener));
    vi.spyOn(Math, "random").mockReturnValue(1 - Number.EPSILON);
    const client = server.client({ reconnect: { leastMs: 20_000, mostMs: 30_000 } });
    watch(client.getState(READ));
    await pass();
    server.socket.end();
    await pass(1_000);
    expect(server.sockets).toHaveLength(1);
    listeners.forEach((online) => online());
    await pass();

    expect(server.sockets).toHaveLength(2);
    expect(listeners.size).toBe(0);
  });

  it("tells each change of the connection, with the reason", async () => {
    const changes: ConnectionChange[] = [];
    const client = server.client({ onState: (change) => changes.push(change) });
    watch(client.getState(READ));
    await pass();
    server.socket.end(1012, "restarting");
    await pass(1);
    watch(client.close({ timeoutMs: 0 }));
    await pass(1);

    expect(changes.map(({ state }) => state)).toEqual([
      "connecting",
      "open",
      "waiting",
      "connecting",
      "open",
      "closed",
    ]);
    expect(changes[2]).toMatchObject({ reason: "restarting", retryInMs: expect.any(Number) });
  });
});

describe("a socket on which nothing is heard", () => {
  const ping = { everyMs: 1_000, deadAfterMs: 3_000 };

  it("is pinged, and given up when nothing comes back", async () => {
    const client = server.client({ ping });
    const subscription = client.subscribe(READ);
    await pass(2_999);
    expect(server.socket.frames.filter((frame) => frame === "ping")).toHaveLength(2);
    expect(server.sockets).toHaveLength(1);
    await pass(2);
    expect(server.sockets).toHaveLength(2);
    expect(server.sockets[0]?.isClosed).toBe(true);
    subscription.close();
    await client.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is kept while pongs come, or anything else", async () => {
    const client = server.client({ ping, answerTimeoutMs: 100_000 });
    watch(client.getState(READ));
    await pass();
    for (let second = 1; second <= 20; second += 1) {
      if (second % 2 === 0) {
        server.socket.say("pong");
      } else {
        server.socket.answer({ id: 999, result: {} });
      }
      await pass(1_000);
    }

    expect(server.sockets).toHaveLength(1);
  });

  it("is found out although the client goes on sending", async () => {
    const client = server.client({ ping, answerTimeoutMs: 100_000 });
    const publishes = [];
    for (let step = 0; step < 12; step += 1) {
      publishes.push(watch(client.publish({ stream: "s", data: step })));
      await pass(250);
    }
    await pass(2);
    expect(server.sockets).toHaveLength(2);
    const calls = server.socket.calls();
    server.socket.answer(...calls.map(({ id }, index) => ({ id, result: published(index + 1) })));
    await pass();

    expect(calls.map(({ params }) => params["data"])).toEqual(Array.from({ length: 12 }, (_, index) => index));
    expect(publishes.filter(({ outcome }) => outcome === "pending")).toEqual([]);
  });
});

it("settles a call by its signal, before and after it is sent", async () => {
  const client = server.client();
  const aborter = new AbortController();
  const call = watch(client.putState({ stream: "s", state: 1 }, { signal: aborter.signal }));
  await pass();
  aborter.abort(new Error("enough"));
  const after = watch(client.getState(READ, { signal: aborter.signal }));
  await pass();

  expect([call.outcome, after.outcome]).toMatchObject([1, 2].map(() => ({ error: { message: "enough" } })));
  expect(server.socket.calls()).toHaveLength(1);
});
