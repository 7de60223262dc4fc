import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { pass, published, ScriptedServer, standing, watch } from "../scripted-server.ts";

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const READ = { stream: "s" };
const UNAUTHENTICATED = { code: -32_001, message: "the token has ended" };

/** The tokens that were offered, socket by socket. */
function offered(): string[] {
  return server.sockets.map(({ protocols }) => atob(protocols[1]?.replace("bearer.", "") ?? ""));
}

/** A function that gives each of these tokens once, and then the last one. */
function giving(...tokens: (string | Error)[]) {
  let at = 0;
  return vi.fn<() => string>(() => {
    const token = tokens[Math.min(at, tokens.length - 1)] ?? "";
    at += 1;
    if (token instanceof Error) {
      throw token;
    }
    return token;
  });
}

/** A client with an open socket, on which something was answered. */
async function opened(token: () => string) {
  const client = server.client({ token });
  const read = watch(client.getState(READ));
  await pass();
  server.socket.answer({ id: server.socket.calls()[0]?.id, result: { state: null, revision: 0 } });
  await standing(read);
  return client;
}

function authenticated(): unknown[] {
  return server.socket.calls("authenticate").map(({ params }) => params["token"]);
}

function answerLast(answer: { result?: unknown; error?: object }): void {
  server.socket.answer({ id: server.socket.calls("authenticate").at(-1)?.id, ...answer });
}

describe("a token that ends soon", () => {
  it("has the function asked for another, which takes its place on the same socket", async () => {
    const token = giving("first", "second", "third");
    await opened(token);
    for (const expiresAt of [1, 2]) {
      server.socket.notify("tokenExpiring", { expiresAt });
      await pass();
      answerLast({ result: { subject: "s", expiresAt: expiresAt + 1 } });
    }
    await pass(10_000);

    expect(authenticated()).toEqual(["second", "third"]);
    expect(offered()).toEqual(["first"]);
    expect(token).toHaveBeenCalledTimes(3);
  });

  it("is left alone when there is no other one", async () => {
    const token = giving("first");
    await opened(token);
    server.socket.notify("tokenExpiring", { expiresAt: 1 });
    await pass(10_000);

    expect(authenticated()).toEqual([]);
    expect(token).toHaveBeenCalledTimes(2);
  });

  it("has the function asked again when it fails, and when the server can not answer now", async () => {
    const token = giving("first", new Error("no network"), "second", "third");
    await opened(token);
    server.socket.notify("tokenExpiring", { expiresAt: 1 });
    await pass(1_000);
    answerLast({ error: { code: -32_009, message: "no keys now" } });
    await pass(1_000);
    answerLast({ result: { expiresAt: 2 } });

    expect(authenticated()).toEqual(["second", "third"]);
  });

  it("is not renewed by one that is refused: the socket goes on to its end, and the next has a token of its own", async () => {
    const token = giving("first", "of another subject");
    const client = await opened(token);
    server.socket.notify("tokenExpiring", { expiresAt: 1 });
    await pass();
    answerLast({ error: { code: -32_002, message: "another subject" } });
    await pass(1_000);
    expect(client.state).toBe("open");
    server.socket.end(4401);
    await pass(1);

    expect(offered()).toEqual(["first", "of another subject"]);
  });

  it("asks for nothing more on a socket that is gone", async () => {
    const second = Promise.withResolvers<string>();
    let asked = 0;
    const client = server.client({
      token: () => (++asked === 1 ? "first" : second.promise),
    });
    watch(client.getState(READ));
    await pass();
    server.socket.notify("tokenExpiring", { expiresAt: 1 });
    server.socket.end();
    await pass(1);
    second.resolve("second");
    await pass(1_000);

    expect(offered()).toEqual(["first", "second"]);
    expect(asked).toBe(2);
    expect(server.sockets.flatMap((socket) => socket.calls("authenticate"))).toEqual([]);
  });

  it("is that of a string: nothing is renewed, and its end is that of the client", async () => {
    const client = server.client({ token: "only" });
    const call = watch(client.getState(READ));
    await pass();
    server.socket.notify("tokenExpiring", { expiresAt: 1 });
    await pass();
    expect(authenticated()).toEqual([]);
    server.socket.end(4401);
    await pass(10_000);

    expect(client.state).toBe("closed");
    expect(call.outcome).toMatchObject({ error: { name: "Unauthenticated" } });
    expect(server.sockets).toHaveLength(1);
  });
});

describe("a token that has ended", () => {
  it("is asked for again, and not offered again: the same one ends the client", async () => {
    const token = giving("first");
    const client = await opened(token);
    const call = watch(client.putState({ stream: "s", state: 1 }));
    const next = watch(client.subscribe(READ).next());
    server.socket.end(4401);
    await pass(100_000);

    expect(token).toHaveBeenCalledTimes(2);
    expect(server.sockets).toHaveLength(1);
    expect(client.state).toBe("closed");
    expect(call.outcome).toMatchObject({ error: { name: "OutcomeUnknown", cause: { name: "Unauthenticated" } } });
    expect(next.outcome).toMatchObject({ error: { name: "Unauthenticated" } });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is the renewed one: the one before may be given again", async () => {
    const token = giving("first", "second", "second");
    const client = await opened(token);
    server.socket.notify("tokenExpiring", { expiresAt: 1 });
    await pass();
    answerLast({ result: { expiresAt: 2 } });
    server.socket.end(4401);
    await pass(1_000);

    expect(client.state).toBe("closed");
    expect(offered()).toEqual(["first"]);
  });

  it("has what was refused for it done on the next socket", async () => {
    const client = await opened(giving("first", "second"));
    const calls = [watch(client.putState({ stream: "s", state: 1 })), watch(client.publish({ stream: "s", data: 1 }))];
    await pass();
    const [first] = server.sockets;
    for (const { id } of first?.calls().slice(1) ?? []) {
      server.socket.answer({ id, error: UNAUTHENTICATED });
    }
    await pass();
    expect(first?.calls()).toHaveLength(3);
    server.socket.end(4401);
    await pass(1);
    const [put, publish] = server.socket.calls();
    server.socket.answer({ id: put?.id, result: { revision: 1 } }, { id: publish?.id, result: published(1) });

    expect(await standing(calls[0] ?? { outcome: "none" })).toMatchObject({ value: { revision: 1 } });
    expect(await standing(calls[1] ?? { outcome: "none" })).toMatchObject({ value: { sequence: 1 } });
  });
});

describe("a subscription that a new token does not allow", () => {
  it.each([
    ["of a stream", READ],
    ["of a consumer", { stream: "s", consumer: "c" }],
  ])("ends with what the caller lacks: one %s", async (_what, params) => {
    const client = server.client();
    const next = watch("consumer" in params ? client.subscribe(params).next() : client.subscribe(params).next());
    await pass();
    const answer = { subscription: 1, stream: "s", epoch: "e", firstSequence: 1, nextSequence: 1 };
    server.socket.answer({ id: server.socket.calls("subscribe")[0]?.id, result: answer });
    server.socket.notify("subscriptionClosed", { subscription: 1, reason: "forbidden" });
    await pass();
    const error = { code: -32_002, message: "no right", data: { method: "subscribe", action: "read", stream: "s" } };
    server.socket.answer({ id: server.socket.calls("subscribe")[1]?.id, error });

    expect(await standing(next)).toMatchObject({ error: { name: "Forbidden", data: { stream: "s" } } });
    expect(client.state).toBe("open");
  });
});
