/** How an operation on objects ends before its time: by a signal, by its deadline, by close(). */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { DurableStream, Fetch } from "../../../rpc/client.ts";

import { pass, published, standing, watch } from "../scripted-server.ts";
import {
  answer,
  beginScene,
  calls,
  endScene,
  INFO,
  LARGE,
  networkFails,
  PART,
  passSteps,
  readAll,
  scene,
  scripted,
  settled,
  silent,
  some,
  stalling,
  stored,
  until,
} from "./scene.ts";

beforeEach(beginScene);
afterEach(endScene);

describe("a signal", () => {
  it.each<[string, (client: DurableStream, body: ReadableStream<Uint8Array>, signal: AbortSignal) => Promise<unknown>]>(
    [
      ["put", (client, body, signal) => client.objects.put("k", body, { signal })],
      ["publish", (client, body, signal) => client.objects.publish({ stream: "s" }, "k", body, { signal })],
    ],
  )("that is aborted before %s rejects it at once and cancels the source", async (_name, start) => {
    const source = stalling(1);
    const outcome = watch(start(scene.server.client(), source.body, AbortSignal.abort("no more")));

    expect(await standing(outcome)).toEqual({ error: "no more" });
    expect(source.reason()).not.toBe("not cancelled");
    expect(source.body.locked).toBe(false);
    expect(scene.server.sockets).toHaveLength(0);
  });

  it("that is aborted before anything else is begun rejects it at once", async () => {
    const client = scene.server.client({ fetch: scripted(stored) });
    const signal = AbortSignal.abort("no more");
    const outcomes = [
      watch(client.objects.put("k", "small", { signal })),
      watch(client.objects.put("k", LARGE, { signal })),
      watch(client.objects.get("k", { signal })),
      watch(client.objects.publishOrPut({ stream: "s", data: 1 }, "k", { signal })),
      watch(client.objects.resolve({ data: { object: { key: "k", etag: "e", size: 1 } } }, { signal })),
    ];

    for (const outcome of outcomes) {
      expect(await standing(outcome)).toEqual({ error: "no more" });
    }
    expect(scene.requests).toEqual([]);
    expect(scene.server.sockets).toHaveLength(0);
  });

  it.each([0, PART * 2])("gives up a put whose source stalls after %i bytes, and cancels the source", async (bytes) => {
    const abort = new AbortController();
    const source = stalling(bytes);
    const outcome = watch(scene.server.client().objects.put("k", source.body, { signal: abort.signal }));
    await until("the parts", () => bytes === 0 || calls("uploadPart").length === 2);
    expect(await standing(outcome)).toBe("pending");
    abort.abort("no more");

    expect(await standing(outcome)).toEqual({ error: "no more" });
    expect(source.reason()).not.toBe("not cancelled");
    expect(source.body.locked).toBe(false);
    expect(calls("abortUpload")).toHaveLength(bytes === 0 ? 0 : 1);
  });

  it("gives up a request that is on its way", async () => {
    const abort = new AbortController();
    const client = scene.server.client({ fetch: scripted(silent) });
    const outcome = watch(client.objects.put("k", LARGE, { signal: abort.signal }));
    await until("the request", () => scene.requests.length === 1);
    abort.abort("no more");

    expect(await standing(outcome)).toEqual({ error: "no more" });
    expect(scene.requests).toHaveLength(1);
  });

  it.each(["calls", "HTTP"])("fails the body that is read by %s", async (how) => {
    const abort = new AbortController();
    scene.cancelled = 0;
    const client = scene.server.client({ fetch: how === "HTTP" ? scripted(some(1, "stalls")) : false });
    const { body } = await client.objects.get("k", { signal: abort.signal });
    scene.answers["getObject"] = silent;
    const outcome = watch(readAll(body));
    await until("the rest", () => (how === "HTTP" ? scene.requests.length === 1 : calls("getObject").length === 2));
    await pass();
    expect(await standing(outcome)).toBe("pending");
    abort.abort("no more");

    expect(await standing(outcome)).toEqual({ error: "no more" });
    expect(scene.cancelled).toBe(how === "HTTP" ? 1 : 0);
  });

  it("fails a body that nobody reads", async () => {
    const abort = new AbortController();
    const { body } = await scene.server.client({ fetch: false }).objects.get("k", { signal: abort.signal });
    await pass();
    abort.abort("no more");

    expect(await standing(watch(readAll(body)))).toEqual({ error: "no more" });
  });

  it("is not listened to any more when all is done", async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    const client = scene.server.client({ fetch: false });
    await client.objects.put("k", "small", { signal });
    await readAll((await client.objects.get("k", { signal })).body);
    await (await client.objects.get("k", { signal })).body.cancel();

    expect(added).toHaveBeenCalledTimes(3);
    expect(removed.mock.calls.map(([, listener]) => listener)).toEqual(
      expect.arrayContaining(added.mock.calls.map(([, listener]) => listener)),
    );
  });
});

describe("timeoutMs", () => {
  it("is for all of a put, in which nothing is done before its last call", async () => {
    const client = scene.server.client({ fetch: false });
    scene.answers["uploadPart"] = (call) => {
      const { socket } = scene.server;
      setTimeout(
        () => socket.answer({ id: call.id, result: { partNumber: call.params["partNumber"], etag: "p" } }),
        400,
      );
      return undefined;
    };
    const outcome = watch(client.objects.put("k", LARGE, { timeoutMs: 1_000 }));
    await until("a part", () => calls("uploadPart").length === 1);
    await passSteps(999);
    expect(calls("uploadPart")).toHaveLength(3);
    expect(outcome.outcome).toBe("pending");
    await pass(1);

    expect(await settled(outcome)).toMatchObject({ error: { name: "Unavailable" } });
    expect(calls("completeUpload")).toHaveLength(0);
  });

  it("leaves the outcome unknown once the parts were to be made one", async () => {
    scene.answers["completeUpload"] = silent;
    const outcome = watch(scene.server.client({ fetch: false }).objects.put("k", LARGE, { timeoutMs: 1_000 }));
    await until("the last call", () => calls("completeUpload").length === 1);
    await pass(1_000);

    expect(await standing(outcome)).toMatchObject({ error: { name: "OutcomeUnknown" } });
  });

  it("is for a put in one call", async () => {
    scene.answers["putObject"] = silent;
    const outcome = watch(scene.server.client().objects.put("k", "small", { timeoutMs: 1_000 }));
    await until("the call", () => calls("putObject").length === 1);
    await pass(1_000);

    expect(await standing(outcome)).toMatchObject({ error: { name: "OutcomeUnknown" } });
  });

  it("ends a put whose source stalls", async () => {
    const source = stalling(5);
    const outcome = watch(scene.server.client().objects.put("k", source.body, { timeoutMs: 1_000 }));
    await pass(999);
    expect(outcome.outcome).toBe("pending");
    await pass(1);

    expect(await standing(outcome)).toMatchObject({ error: { name: "Unavailable" } });
    expect(source.reason()).not.toBe("not cancelled");
  });

  it("leaves the outcome of a request unknown", async () => {
    const client = scene.server.client({ fetch: scripted(silent) });
    const outcome = watch(client.objects.put("k", LARGE, { timeoutMs: 1_000, ifNoneMatch: "*" }));
    await pass(1_000);

    expect(await standing(outcome)).toMatchObject({ error: { name: "OutcomeUnknown" } });
  });

  it("is for a put and the publish of its claim check together", async () => {
    scene.answers["publish"] = silent;
    const client = scene.server.client();
    const outcome = watch(client.objects.publish({ stream: "s" }, "k", "body", { timeoutMs: 1_000 }));
    await until("the publish", () => calls("publish").length === 1);
    await pass(1_000);

    expect(await standing(outcome)).toMatchObject({ error: { name: "OutcomeUnknown" } });
  });

  it.each(["calls", "HTTP"])("is for the body too, read by %s", async (how) => {
    const client = scene.server.client({ fetch: how === "HTTP" ? scripted(some(0, "stalls")) : false });
    const { body } = await client.objects.get("k", { timeoutMs: 1_000 });
    scene.answers["getObject"] = silent;
    const outcome = watch(readAll(body));
    await passSteps(999);
    expect(outcome.outcome).toBe("pending");
    await pass(1);

    expect(await standing(outcome)).toMatchObject({ error: { name: "Unavailable" } });
  });
});

describe("close()", () => {
  it.each(["calls", "HTTP", "parts"])("waits for a put by %s, and for the publish behind it", async (how) => {
    let store: (() => void) | undefined;
    const whenStored = new Promise<void>((resolve) => (store = resolve));
    const fetch: Fetch = async (url, init) => {
      scene.requests.push({ url, method: init.method, headers: {} });
      await whenStored;
      return stored();
    };
    const slow = how === "calls" ? "putObject" : "uploadPart";
    scene.answers[slow] = () => undefined;
    const client = scene.server.client({ fetch: how === "HTTP" && fetch });
    const body = how === "calls" ? "small" : LARGE;
    const outcome = watch(client.objects.publish({ stream: "s" }, "k", body));
    await until("the body", () => scene.requests.length + calls(slow).length === 1);
    const closing = watch(client.close());
    await passSteps(9_000);
    expect(closing.outcome).toBe("pending");
    scene.answers[slow] = ({ params }) => ({
      result: how === "calls" ? INFO : { partNumber: params["partNumber"], etag: "p" },
    });
    for (const call of calls(slow)) {
      answer(scene.server.socket, call);
    }
    store?.();

    expect(await settled(closing)).toEqual({ value: undefined });
    expect(outcome.outcome).toEqual({ value: published(1) });
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each<[what: string, begin: (client: DurableStream) => Promise<unknown>, name: string]>([
    ["a request that is on its way", (client) => client.objects.put("k", LARGE), "OutcomeUnknown"],
    ["a body that does not come", (client) => client.objects.put("k", stalling(PART).body), "Unavailable"],
    ["a publish behind a put", (client) => client.objects.publish({ stream: "s" }, "k", LARGE), "OutcomeUnknown"],
  ])("settles what is not done in its time: %s", async (_what, begin, name) => {
    let signal: AbortSignal | undefined;
    const fetch = scripted((init) => {
      signal = init.signal;
      return undefined;
    });
    const client = scene.server.client({ fetch });
    const outcome = watch(begin(client));
    await until("something to begin", () => scene.requests.length === 1 || name === "Unavailable");
    const closing = watch(client.close({ timeoutMs: 100 }));
    await passSteps(100);

    expect(await settled(outcome)).toMatchObject({ error: { name } });
    expect(closing.outcome).toEqual({ value: undefined });
    expect(signal?.aborted).not.toBe(false);
    expect(calls("publish")).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("settles a put that waits for a token, or before it is tried again", async () => {
    const waiting = scene.server.client({ token: () => new Promise(() => undefined), fetch: scripted(stored) });
    const repeating = scene.server.client({ fetch: scripted(networkFails) });
    const outcomes = [waiting, repeating].map((client) => watch(client.objects.put("k", LARGE)));
    await until("a request", () => scene.requests.length === 1);
    const closing = [waiting, repeating].map((client) => watch(client.close({ timeoutMs: 0 })));
    await pass(1);

    expect(await settled(outcomes[0] ?? watch(Promise.resolve()))).toMatchObject({ error: { name: "Unavailable" } });
    expect(await settled(outcomes[1] ?? watch(Promise.resolve()))).toMatchObject({ error: { name: "OutcomeUnknown" } });
    expect(closing.map(({ outcome }) => outcome)).toEqual([{ value: undefined }, { value: undefined }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("waits for a body that is read, and fails what is not read in its time", async () => {
    const rest = LARGE.length - PART;
    const client = scene.server.client({ fetch: scripted(some(rest, "ends")) });
    const { body } = await client.objects.get("k");
    const closing = watch(client.close());
    await passSteps(100);
    expect(closing.outcome).toBe("pending");
    expect(await readAll(body)).toBe(LARGE.length);
    expect(await settled(closing)).toEqual({ value: undefined });

    scene.cancelled = 0;
    scene.requests = [];
    const other = scene.server.client({ fetch: scripted(some(1, "stalls")) });
    const unread = await other.objects.get("k");
    const reader = unread.body.getReader();
    await reader.read();
    await until("the rest", () => scene.requests.length === 1);
    const closingOther = watch(other.close({ timeoutMs: 100 }));
    await passSteps(100);
    expect(closingOther.outcome).toEqual({ value: undefined });
    expect(await settled(watch(reader.closed))).toMatchObject({ error: { name: "Unavailable" } });
    await until("the request to be let go of", () => scene.cancelled === 1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not wait for a body that is here already", async () => {
    scene.answers["getObject"] = () => ({ result: { ...INFO, size: 1, data: "eA==", encoding: "base64" } });
    const client = scene.server.client();
    const { body } = await client.objects.get("k");
    await pass();
    await client.close();

    expect(await readAll(body)).toBe(1);
  });

  it("begins nothing new while it waits, and cancels its source", async () => {
    const client = scene.server.client({ fetch: scripted(silent) });
    watch(client.objects.put("k", LARGE));
    await until("the request", () => scene.requests.length === 1);
    const closing = watch(client.close());
    await pass();
    const source = stalling(1);
    const late = [
      watch(client.objects.put("k", LARGE)),
      watch(client.objects.put("k", source.body)),
      watch(client.objects.get("k")),
      watch(client.objects.publishOrPut({ stream: "s", data: 1 }, "k")),
    ];
    await pass();

    expect(closing.outcome).toBe("pending");
    expect(late.map(({ outcome }) => outcome)).toMatchObject(late.map(() => ({ error: { name: "Unavailable" } })));
    expect(source.reason()).not.toBe("not cancelled");
    expect(scene.requests).toHaveLength(1);
    await passSteps(10_000);
    expect(await settled(closing)).toEqual({ value: undefined });
  });
});
