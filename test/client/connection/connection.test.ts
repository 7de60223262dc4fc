import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { DurableStream } from "../../../rpc/client.ts";
import type { ConnectionChange } from "../../../rpc/client.ts";

import { pass, published, ScriptedServer, standing, watch } from "../scripted-server.ts";

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

    expect(() => new DurableStream({ url: "https://stream.test", token: "key" })).toThrow(
      /no global WebSocket.*npm install ws/,
    );
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
    const open = [
      watch(client.getState(READ)),
      watch(client.publish({ stream: "s", data: 1 })),
      watch(client.putState({ stream: "s", state: 1 })),
    ];
    const subscription = client.subscribe(READ);
    const next = watch(subscription.next());
    await pass();
    server.socket.end(4401, "no valid credentials");
    await pass(100_000);

    // The first calls like all that follow: the server read nothing of this socket.
    const message = "the server does not take this token: no valid credentials";
    const refused = { error: { name: "Unauthenticated", message } };
    expect(open.map(({ outcome }) => outcome)).toMatchObject(open.map(() => refused));
    expect(next.outcome).toMatchObject({ error: { name: "Unauthenticated" } });
    expect(await standing(watch(client.getState(READ)))).toMatchObject({ error: { name: "Unauthenticated" } });
    expect(await standing(watch(client.subscribe(READ).next()))).toMatchObject({ error: { name: "Unauthenticated" } });
    expect(client.state).toBe("closed");
    expect(server.sockets).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leave what was sent before unknown: a publish on an earlier socket, a change on one that had answered", async () => {
    const client = server.client();
    const publish = watch(client.publish({ stream: "s", data: 1 }));
    await pass();
    server.socket.end();
    await pass(1);
    server.socket.end(4401);
    expect(await standing(publish)).toMatchObject({
      error: { name: "OutcomeUnknown", cause: { name: "Unauthenticated" } },
    });

    const other = server.client();
    const read = watch(other.getState(READ));
    await pass();
    server.socket.answer({ id: server.socket.calls()[0]?.id, result: { state: null, revision: 0 } });
    const change = watch(other.putState({ stream: "s", state: 1 }));
    await pass();
    server.socket.end(4401);
    await pass();
    expect(read.outcome).toMatchObject({ value: {} });
    expect(change.outcome).toMatchObject({ error: { name: "OutcomeUnknown", cause: { name: "Unauthenticated" } } });
  });

  it("leave no timer behind that was to send something again", async () => {
    const client = server.client();
    watch(client.publish({ stream: "s", data: 1 }));
    await pass();
    const error = { code: -32_012, message: "busy", data: { retryAfterMs: 5_000 } };
    server.socket.answer({ id: server.socket.calls()[0]?.id, error });
    await pass();
    server.socket.end(4401);
    await pass();

    expect(vi.getTimerCount()).toBe(0);
  });

  it("have what was sent on that socket sent again with a better token of a function", async () => {
    let token = "old";
    const client = server.client({ token: () => token });
    const calls = [watch(client.putState({ stream: "s", state: 1 })), watch(client.publish({ stream: "s", data: 1 }))];
    await pass();
    const [refused] = server.sockets;
    expect(refused?.calls()).toHaveLength(2);
    server.socket.end(4401);
    token = "new";
    await pass(1);

    expect(calls.map(({ outcome }) => outcome)).toEqual(["pending", "pending"]);
    expect(server.socket.calls().map(({ method }) => method)).toEqual(["putState", "publish"]);
  });

  it("are the cause where a function brings no better one in time", async () => {
    let asked = 0;
    const client = server.client({ token: () => `wrong ${++asked}` });
    server.onConnect = (socket) => queueMicrotask(() => (socket.open(), socket.end(4401)));
    const call = watch(client.putState({ stream: "s", state: 1 }, { timeoutMs: 1_000 }));
    await pass(1_000);

    expect(call.outcome).toMatchObject({ error: { name: "Unavailable", cause: { name: "Unauthenticated" } } });
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

describe("a page whose origin the server does not allow", () => {
  it.each([
    ["a token", "key"],
    ["a function", () => "key"],
  ])("ends a client with %s: everything is told, and nothing is tried again", async (_what, token) => {
    const client = server.client({ token });
    const open = [watch(client.getState(READ)), watch(client.publish({ stream: "s", data: 1 }))];
    const subscription = watch(client.subscribe(READ).next());
    await pass();
    server.socket.end(4403, "the origin of this page is not allowed");
    await pass(100_000);

    const told = { error: { name: "Forbidden", message: "the origin of this page is not allowed" } };
    expect([...open, subscription].map(({ outcome }) => outcome)).toMatchObject([told, told, told]);
    expect(await standing(watch(client.putState({ stream: "s", state: 1 })))).toMatchObject({
      error: { name: "Forbidden" },
    });
    expect(client.state).toBe("closed");
    expect(server.sockets).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a server that can not be reached", () => {
  it("is the cause of what failed for want of a connection, sent or not", async () => {
    const client = server.client({ timeoutMs: 1_000, publishTimeoutMs: 1_000 });
    const begin = () => [
      watch(client.getState(READ)),
      watch(client.putState({ stream: "s", state: 1 })),
      watch(client.publish({ stream: "s", data: 1 })),
    ];
    const sent = begin();
    await pass();
    const refused = new Error("connect ECONNREFUSED");
    server.onConnect = (socket) => queueMicrotask(() => socket.fail(refused.message, refused));
    server.socket.end(1012, "restarting");
    const never = begin();
    await pass(1_000);

    const cause = { name: "Unavailable", message: expect.stringContaining("ECONNREFUSED"), cause: refused };
    expect(sent.map(({ outcome }) => outcome)).toMatchObject([
      { error: { name: "Unavailable", cause } },
      { error: { name: "OutcomeUnknown", cause: { message: "restarting" } } },
      { error: { name: "OutcomeUnknown", cause } },
    ]);
    expect(never.map(({ outcome }) => outcome)).toMatchObject(
      never.map(() => ({ error: { name: "Unavailable", message: expect.stringContaining("ECONNREFUSED"), cause } })),
    );
  });

  it("is not blamed for a call that is not answered on a socket that is there", async () => {
    server.onConnect = (socket) => queueMicrotask(() => socket.end());
    const client = server.client({ reconnect: { leastMs: 10, mostMs: 10 } });
    const call = watch(client.getState(READ, { timeoutMs: 1_000 }));
    await pass();
    server.onConnect = (socket) => queueMicrotask(() => socket.open());
    await pass(1_000);

    expect(call.outcome).toMatchObject({ error: { name: "Unavailable" } });
    expect(call.outcome).not.toHaveProperty("error.cause");
  });

  it("is told at once by one that has no key, and found again when it has one", async () => {
    const client = server.client();
    const calls = [
      watch(client.getState(READ)),
      watch(client.putState({ stream: "s", state: 1 })),
      watch(client.publish({ stream: "s", data: 1 })),
    ];
    const subscription = watch(client.subscribe(READ).next());
    await pass();
    server.socket.end(4503, "no API_KEY is configured");
    await pass();
    const told = { error: { name: "Unavailable", message: "no API_KEY is configured" } };
    expect(calls.map(({ outcome }) => outcome)).toMatchObject(calls.map(() => told));
    expect(subscription.outcome).toBe("pending");
    await pass(1);
    const read = watch(client.getState(READ));
    await pass();
    server.socket.answer({ id: server.socket.calls("getState")[0]?.id, result: { state: null, revision: 0 } });

    expect(await standing(read)).toMatchObject({ value: { revision: 0 } });
    expect(server.socket.calls().map(({ method }) => method)).toEqual(["subscribe", "getState"]);
  });

  it("is told at once where no WebSocket can be made", async () => {
    const error = new SyntaxError("insecure");
    const client = server.client({
      WebSocket: class extends server.WebSocket {
        constructor(url: string) {
          super(url);
          throw error;
        }
      },
    });
    const call = watch(client.publish({ stream: "s", data: 1 }));
    await pass();

    expect(call.outcome).toMatchObject({ error: { name: "Unavailable", cause: error } });
  });
});

describe("options", () => {
  const wrong: [what: string, options: unknown, named: string][] = [
    ["no options", undefined, "url"],
    ["a URL in place of options", "https://stream.test", "url"],
    ["no token", { token: undefined }, "token"],
    ["an empty token", { token: "" }, "token"],
    ["a token that is none", { token: 5 }, "token"],
    ["a URL without a scheme", { url: "stream.test" }, "url"],
    ["a host and a port", { url: "localhost:8787" }, "url"],
    ["a URL of another scheme", { url: "ftp://stream.test" }, "url"],
    ["a URL that is none", { url: 5 }, "url"],
    ["no WebSocket", { WebSocket: "ws" }, "WebSocket"],
    ["no fetch", { fetch: true }, "fetch"],
    ["no listener", { onState: {} }, "onState"],
    ["a producer without a name", { producer: "" }, "producer"],
    ["an order of another kind", { order: "loose" }, "order"],
    ["a time in words", { timeoutMs: "5s" }, "timeoutMs"],
    ["no number", { publishTimeoutMs: Number.NaN }, "publishTimeoutMs"],
    ["a time before now", { connectTimeoutMs: -1 }, "connectTimeoutMs"],
    ["a queue that is none", { queue: 5 }, "queue"],
    ["a queue of null", { queue: null }, "queue"],
    ["a queue of a wrong size", { queue: { bytes: "1 MB" } }, "queue.bytes"],
    ["no pause between pings", { ping: { everyMs: 0 } }, "ping.everyMs"],
    ["an option that there is not", { timeoutMS: 5 }, "timeoutMS"],
    ["an option of a queue that there is not", { queue: { publish: 5 } }, "queue.publish"],
  ];

  it.each(wrong)("are refused where they are given, and named: %s", (_what, options, named) => {
    const rest = { url: "https://stream.test", token: "key", WebSocket: server.WebSocket };
    const all = typeof options === "object" ? { ...rest, ...options } : options;
    const make = () => new DurableStream(all as ConstructorParameters<typeof DurableStream>[0]);

    expect(make).toThrow(TypeError);
    expect(make).toThrow(new RegExp(`option ${named}( has to be [^;]+)?$`));
  });

  it("may be undefined, which is as good as not given", async () => {
    const nothing = { timeoutMs: undefined, queue: undefined, ping: undefined, fetch: undefined };
    const client = server.client(nothing as object);
    const call = watch(client.getState(READ));
    await pass(29_999);
    expect(call.outcome).toBe("pending");
    await pass(1);

    expect(call.outcome).toMatchObject({ error: { name: "Unavailable" } });
  });

  it.each(["5", Number.NaN])("of a call are refused too: timeoutMs %s", async (timeoutMs) => {
    const client = server.client();
    const options = { timeoutMs: timeoutMs as number };
    const calls = [client.getState(READ, options), client.publish({ stream: "s", data: 1 }, options)].map(watch);
    const object = watch(client.objects.get("k", options));
    await pass();

    expect([...calls, object].map(({ outcome }) => outcome)).toMatchObject(
      [1, 2, 3].map(() => ({ error: expect.any(TypeError) })),
    );
  });

  it("of a call may give it no time at all", async () => {
    const call = watch(server.client().getState(READ, { timeoutMs: -1 }));
    await pass(1);

    expect(call.outcome).toMatchObject({ error: { name: "Unavailable" } });
  });
});

describe("a token function", () => {
  it("that never answers holds up nothing once the client is closed", async () => {
    const client = server.client({ token: () => new Promise(() => undefined) });
    const call = watch(client.getState(READ));
    await pass();
    watch(client.close({ timeoutMs: 0 }));
    await pass(1);

    expect(call.outcome).toMatchObject({ error: { name: "Unavailable" } });
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([undefined, "", 5])("that gives no token is asked again: %s", async (given) => {
    const tokens: unknown[] = [given, "key"];
    const client = server.client({ token: () => tokens.shift() as string });
    watch(client.getState(READ));
    await pass(1);

    expect(server.sockets.map(({ protocols }) => protocols[1])).toEqual([
      `bearer.${Buffer.from("key").toString("base64url")}`,
    ]);
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
