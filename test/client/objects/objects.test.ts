import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { DurableStream, DurableStreamOptions, Fetch } from "../../../rpc/client.ts";
import { ErrorCode, LIMITS } from "../../../rpc/index.ts";

import { pass, published, ScriptedServer, standing, watch } from "../scripted-server.ts";
import type { SentCall, ScriptedSocket, Watched } from "../scripted-server.ts";

const PART = LIMITS.objectBodyBytes;
const LARGE = new Uint8Array(PART * 2 + 1).fill(7);
const INFO = { key: "k", size: LARGE.length, etag: "e", uploadedAt: 1, contentType: "text/plain", metadata: {} };
const UPLOAD_ID = "b3b7e6a0-0000-4000-8000-000000000000";

/** Of the real clock: bodies are read by threads that know nothing of vitest's. */
const realTurn = setImmediate;

let server: ScriptedServer;
/** What the server answers to a call; what it gives nothing for is not answered. */
let answers: Record<string, (call: SentCall) => { result?: object; error?: object } | undefined>;
let requests: { url: string; method: string; headers: Record<string, string> }[];

beforeEach(() => {
  vi.useFakeTimers();
  // Of a pause that is random, one in some hundred takes no time of this clock: it would end while a test waits.
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  requests = [];
  answers = {
    putObject: () => ({ result: INFO }),
    createUpload: () => ({ result: { key: "k", uploadId: UPLOAD_ID, expiresAt: 1 } }),
    uploadPart: ({ params }) => ({ result: { partNumber: params["partNumber"], etag: "p" } }),
    completeUpload: () => ({ result: INFO }),
    abortUpload: () => ({ result: {} }),
    publish: () => ({ result: published(1) }),
    getObject: ({ params }) => ({ result: pageOf(params["range"]) }),
  };
  server = new ScriptedServer();
  server.onConnect = (socket) => {
    socket.onCall = (call) => queueMicrotask(() => answer(socket, call));
    queueMicrotask(() => socket.open());
  };
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

function answer(socket: ScriptedSocket, call: SentCall): void {
  const said = answers[call.method]?.(call);
  if (said !== undefined) {
    socket.answer({ id: call.id, ...said });
  }
}

function pageOf(range: unknown): object {
  const { offset, length } = range as { offset: number; length: number };
  const bytes = LARGE.subarray(offset, offset + length);
  return { ...INFO, data: Buffer.from(bytes).toString("base64"), encoding: "base64", range };
}

function failure(code: number, data: object = {}): { error: object } {
  return { error: { code, message: "as scripted", data } };
}

/** Waits, in turns of the real clock, for something that happens without time passing. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let turns = 0; !isSo(); turns += 1) {
    if (turns > 2_000) {
      throw new Error(`waited in vain for ${what}`);
    }
    await new Promise((resolve) => realTurn(resolve));
    await pass();
  }
}

async function settled(watched: Watched): Promise<unknown> {
  await until("the promise to be settled", () => watched.outcome !== "pending");
  return watched.outcome;
}

/** Lets so much time pass, and what reads bodies keep up. */
async function passSteps(ms: number, steps = 20): Promise<void> {
  for (let step = 0; step < steps; step += 1) {
    await pass(ms / steps);
    for (let turn = 0; turn < 10; turn += 1) {
      await new Promise((resolve) => realTurn(resolve));
    }
  }
}

function calls(method: string): SentCall[] {
  return server.sockets.flatMap((socket) => socket.calls(method));
}

function publishedData(): unknown[] {
  return calls("publish").map(({ params }) => params["data"]);
}

/** A `fetch` that does one thing after the other, the last of them again and again. */
function scripted(...script: ((init: Parameters<Fetch>[1]) => Response | Error | undefined)[]): Fetch {
  return async (url, init) => {
    const does = script[Math.min(requests.length, script.length - 1)];
    requests.push({ url, method: init.method, headers: Object.fromEntries(init.headers) });
    const done = does?.(init);
    if (done instanceof Error) {
      throw done;
    }
    return done ?? new Promise((_, reject) => init.signal.addEventListener("abort", () => reject(init.signal.reason)));
  };
}

const networkFails = () => new TypeError("fetch failed");
const silent = () => undefined;
const stored = () => Response.json(INFO);
const refused =
  (status: number, code: number, data: object = {}) =>
  () =>
    Response.json({ jsonrpc: "2.0", id: null, ...failure(code, data) }, { status });

/** A part of the object from the offset that is asked for: so many bytes, and then the end that is given. */
function some(bytes: number, end: "ends" | "breaks" | "stalls"): (init: Parameters<Fetch>[1]) => Response {
  return ({ headers }) => {
    const offset = Number(/^bytes=(\d+)-$/.exec(headers.get("Range") ?? "")?.[1]);
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        if (bytes > 0) {
          controller.enqueue(LARGE.subarray(offset, offset + bytes));
        }
        if (end === "ends") {
          controller.close();
        }
      },
      pull(controller) {
        if (end === "breaks") {
          controller.error(new TypeError("terminated"));
        }
      },
      cancel() {
        cancelled += 1;
      },
    });
    const range = { "Content-Range": `bytes ${offset}-${LARGE.length - 1}/${LARGE.length}` };
    return new Response(body, { status: 206, headers: range });
  };
}
let cancelled = 0;

/** A body that gives so many bytes and then nothing, with what became of it. */
function stalling(bytes: number): { body: ReadableStream<Uint8Array>; reason: () => unknown } {
  let reason: unknown = "not cancelled";
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array(bytes)),
    cancel: (given) => {
      reason = given;
    },
  });
  return { body, reason: () => reason };
}

async function readAll(body: ReadableStream<Uint8Array>): Promise<number> {
  let bytes = 0;
  const reader = body.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    bytes += read.value.length;
  }
  return bytes;
}

describe("a signal", () => {
  it.each<[string, (client: DurableStream, body: ReadableStream<Uint8Array>, signal: AbortSignal) => Promise<unknown>]>(
    [
      ["put", (client, body, signal) => client.objects.put("k", body, { signal })],
      ["publish", (client, body, signal) => client.objects.publish({ stream: "s" }, "k", body, { signal })],
    ],
  )("that is aborted before %s rejects it at once and cancels the source", async (_name, start) => {
    const source = stalling(1);
    const outcome = watch(start(server.client(), source.body, AbortSignal.abort("no more")));

    expect(await standing(outcome)).toEqual({ error: "no more" });
    expect(source.reason()).not.toBe("not cancelled");
    expect(source.body.locked).toBe(false);
    expect(server.sockets).toHaveLength(0);
  });

  it("that is aborted before anything else is begun rejects it at once", async () => {
    const client = server.client({ fetch: scripted(stored) });
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
    expect(requests).toEqual([]);
    expect(server.sockets).toHaveLength(0);
  });

  it.each([0, PART * 2])("gives up a put whose source stalls after %i bytes, and cancels the source", async (bytes) => {
    const abort = new AbortController();
    const source = stalling(bytes);
    const outcome = watch(server.client().objects.put("k", source.body, { signal: abort.signal }));
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
    const client = server.client({ fetch: scripted(silent) });
    const outcome = watch(client.objects.put("k", LARGE, { signal: abort.signal }));
    await until("the request", () => requests.length === 1);
    abort.abort("no more");

    expect(await standing(outcome)).toEqual({ error: "no more" });
    expect(requests).toHaveLength(1);
  });

  it.each(["calls", "HTTP"])("fails the body that is read by %s", async (how) => {
    const abort = new AbortController();
    cancelled = 0;
    const client = server.client({ fetch: how === "HTTP" ? scripted(some(1, "stalls")) : false });
    const { body } = await client.objects.get("k", { signal: abort.signal });
    answers["getObject"] = silent;
    const outcome = watch(readAll(body));
    await until("the rest", () => (how === "HTTP" ? requests.length === 1 : calls("getObject").length === 2));
    await pass();
    expect(await standing(outcome)).toBe("pending");
    abort.abort("no more");

    expect(await standing(outcome)).toEqual({ error: "no more" });
    expect(cancelled).toBe(how === "HTTP" ? 1 : 0);
  });

  it("fails a body that nobody reads", async () => {
    const abort = new AbortController();
    const { body } = await server.client({ fetch: false }).objects.get("k", { signal: abort.signal });
    await pass();
    abort.abort("no more");

    expect(await standing(watch(readAll(body)))).toEqual({ error: "no more" });
  });

  it("is not listened to any more when all is done", async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    const client = server.client({ fetch: false });
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
    const client = server.client({ fetch: false });
    answers["uploadPart"] = (call) => {
      const { socket } = server;
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
    answers["completeUpload"] = silent;
    const outcome = watch(server.client({ fetch: false }).objects.put("k", LARGE, { timeoutMs: 1_000 }));
    await until("the last call", () => calls("completeUpload").length === 1);
    await pass(1_000);

    expect(await standing(outcome)).toMatchObject({ error: { name: "OutcomeUnknown" } });
  });

  it("is for a put in one call", async () => {
    answers["putObject"] = silent;
    const outcome = watch(server.client().objects.put("k", "small", { timeoutMs: 1_000 }));
    await until("the call", () => calls("putObject").length === 1);
    await pass(1_000);

    expect(await standing(outcome)).toMatchObject({ error: { name: "OutcomeUnknown" } });
  });

  it("ends a put whose source stalls", async () => {
    const source = stalling(5);
    const outcome = watch(server.client().objects.put("k", source.body, { timeoutMs: 1_000 }));
    await pass(999);
    expect(outcome.outcome).toBe("pending");
    await pass(1);

    expect(await standing(outcome)).toMatchObject({ error: { name: "Unavailable" } });
    expect(source.reason()).not.toBe("not cancelled");
  });

  it("leaves the outcome of a request unknown", async () => {
    const client = server.client({ fetch: scripted(silent) });
    const outcome = watch(client.objects.put("k", LARGE, { timeoutMs: 1_000, ifNoneMatch: "*" }));
    await pass(1_000);

    expect(await standing(outcome)).toMatchObject({ error: { name: "OutcomeUnknown" } });
  });

  it("is for a put and the publish of its claim check together", async () => {
    answers["publish"] = silent;
    const client = server.client();
    const outcome = watch(client.objects.publish({ stream: "s" }, "k", "body", { timeoutMs: 1_000 }));
    await until("the publish", () => calls("publish").length === 1);
    await pass(1_000);

    expect(await standing(outcome)).toMatchObject({ error: { name: "OutcomeUnknown" } });
  });

  it.each(["calls", "HTTP"])("is for the body too, read by %s", async (how) => {
    const client = server.client({ fetch: how === "HTTP" ? scripted(some(0, "stalls")) : false });
    const { body } = await client.objects.get("k", { timeoutMs: 1_000 });
    answers["getObject"] = silent;
    const outcome = watch(readAll(body));
    await passSteps(999);
    expect(outcome.outcome).toBe("pending");
    await pass(1);

    expect(await standing(outcome)).toMatchObject({ error: { name: "Unavailable" } });
  });
});

describe("a put in parts", () => {
  it("sends a part again whose socket was lost, that was refused for now, or of which the outcome is unknown", async () => {
    const failures = [() => server.socket.end(), () => failure(-32_012), () => failure(-32_008)];
    const answered = answers["uploadPart"];
    answers["uploadPart"] = (call) => {
      const fails = call.params["partNumber"] === 2 ? failures.shift() : undefined;
      return fails === undefined ? answered?.(call) : (fails() ?? undefined);
    };
    const outcome = watch(server.client({ fetch: false }).objects.put("k", LARGE));
    await until("a part", () => calls("uploadPart").length >= 2);
    await passSteps(2_000);

    expect(await settled(outcome)).toEqual({ value: INFO });
    expect(calls("uploadPart").map(({ params }) => params["partNumber"])).toEqual([1, 2, 2, 2, 2, 3]);
    expect(calls("completeUpload")[0]?.params["parts"]).toHaveLength(3);
  });

  it.each(["createUpload", "uploadPart"])(
    "is Unavailable, and not unknown, when %s can not be done",
    async (method) => {
      answers[method] = () => failure(-32_008);
      const outcome = watch(server.client({ fetch: false }).objects.put("k", LARGE));
      await until("the call", () => calls(method).length === 1);
      await passSteps(36_000, 100);

      expect(await settled(outcome)).toMatchObject({
        error: { name: "Unavailable", cause: { name: "OutcomeUnknown" } },
      });
      expect(calls(method).length).toBeGreaterThan(3);
      expect(calls("completeUpload")).toHaveLength(0);
    },
  );

  it("lets go of its source when the upload is refused", async () => {
    answers["createUpload"] = () => failure(-32_602);
    const source = stalling(PART * 2 + 1);

    const outcome = watch(server.client().objects.put("k", source.body));

    expect(await settled(outcome)).toMatchObject({ error: { name: "InvalidParams" } });
    expect(source.reason()).not.toBe("not cancelled");
    expect(source.body.locked).toBe(false);
  });

  it("fails with what its source fails with", async () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(LARGE),
      pull: () => Promise.reject(new RangeError("the disk is gone")),
    });

    const outcome = watch(server.client().objects.put("k", body));

    expect(await settled(outcome)).toMatchObject({ error: { name: "RangeError" } });
  });

  it("is not tried on when the client is closed", async () => {
    answers["uploadPart"] = () => failure(-32_009);
    const client = server.client({ fetch: false });
    const outcome = watch(client.objects.put("k", LARGE));
    await until("a part", () => calls("uploadPart").length === 1);
    watch(client.close({ timeoutMs: 1_000 }));
    await passSteps(1_000);

    expect(await settled(outcome)).toMatchObject({ error: { name: "Unavailable" } });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("an empty object", () => {
  it("that is replaced by a large one while it is opened is got as the large one", async () => {
    let asked = 0;
    answers["getObject"] = ({ params }) => {
      asked += 1;
      if (asked === 1) {
        return failure(ErrorCode.InvalidParams, { issues: [] });
      }
      return params["range"] === undefined
        ? failure(ErrorCode.TooLarge, { what: "objectBodyBytes", limit: PART, size: LARGE.length })
        : { result: pageOf(params["range"]) };
    };
    const client = server.client({ fetch: false });

    const { size, body } = await client.objects.get("k");

    expect(size).toBe(LARGE.length);
    expect(asked).toBe(3);
    await body.cancel();
    await client.close();
  });
});

describe("close()", () => {
  it.each(["calls", "HTTP", "parts"])("waits for a put by %s, and for the publish behind it", async (how) => {
    let store: (() => void) | undefined;
    const whenStored = new Promise<void>((resolve) => (store = resolve));
    const fetch: Fetch = async (url, init) => {
      requests.push({ url, method: init.method, headers: {} });
      await whenStored;
      return stored();
    };
    const slow = how === "calls" ? "putObject" : "uploadPart";
    answers[slow] = () => undefined;
    const client = server.client({ fetch: how === "HTTP" && fetch });
    const body = how === "calls" ? "small" : LARGE;
    const outcome = watch(client.objects.publish({ stream: "s" }, "k", body));
    await until("the body", () => requests.length + calls(slow).length === 1);
    const closing = watch(client.close());
    await passSteps(9_000);
    expect(closing.outcome).toBe("pending");
    answers[slow] = ({ params }) => ({
      result: how === "calls" ? INFO : { partNumber: params["partNumber"], etag: "p" },
    });
    for (const call of calls(slow)) {
      answer(server.socket, call);
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
    const client = server.client({ fetch });
    const outcome = watch(begin(client));
    await until("something to begin", () => requests.length === 1 || name === "Unavailable");
    const closing = watch(client.close({ timeoutMs: 100 }));
    await passSteps(100);

    expect(await settled(outcome)).toMatchObject({ error: { name } });
    expect(closing.outcome).toEqual({ value: undefined });
    expect(signal?.aborted).not.toBe(false);
    expect(calls("publish")).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("settles a put that waits for a token, or before it is tried again", async () => {
    const waiting = server.client({ token: () => new Promise(() => undefined), fetch: scripted(stored) });
    const repeating = server.client({ fetch: scripted(networkFails) });
    const outcomes = [waiting, repeating].map((client) => watch(client.objects.put("k", LARGE)));
    await until("a request", () => requests.length === 1);
    const closing = [waiting, repeating].map((client) => watch(client.close({ timeoutMs: 0 })));
    await pass(1);

    expect(await settled(outcomes[0] ?? watch(Promise.resolve()))).toMatchObject({ error: { name: "Unavailable" } });
    expect(await settled(outcomes[1] ?? watch(Promise.resolve()))).toMatchObject({ error: { name: "OutcomeUnknown" } });
    expect(closing.map(({ outcome }) => outcome)).toEqual([{ value: undefined }, { value: undefined }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("waits for a body that is read, and fails what is not read in its time", async () => {
    const rest = LARGE.length - PART;
    const client = server.client({ fetch: scripted(some(rest, "ends")) });
    const { body } = await client.objects.get("k");
    const closing = watch(client.close());
    await passSteps(100);
    expect(closing.outcome).toBe("pending");
    expect(await readAll(body)).toBe(LARGE.length);
    expect(await settled(closing)).toEqual({ value: undefined });

    cancelled = 0;
    requests = [];
    const other = server.client({ fetch: scripted(some(1, "stalls")) });
    const unread = await other.objects.get("k");
    const reader = unread.body.getReader();
    await reader.read();
    await until("the rest", () => requests.length === 1);
    const closingOther = watch(other.close({ timeoutMs: 100 }));
    await passSteps(100);
    expect(closingOther.outcome).toEqual({ value: undefined });
    expect(await settled(watch(reader.closed))).toMatchObject({ error: { name: "Unavailable" } });
    await until("the request to be let go of", () => cancelled === 1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not wait for a body that is here already", async () => {
    answers["getObject"] = () => ({ result: { ...INFO, size: 1, data: "eA==", encoding: "base64" } });
    const client = server.client();
    const { body } = await client.objects.get("k");
    await pass();
    await client.close();

    expect(await readAll(body)).toBe(1);
  });

  it("begins nothing new while it waits, and cancels its source", async () => {
    const client = server.client({ fetch: scripted(silent) });
    watch(client.objects.put("k", LARGE));
    await until("the request", () => requests.length === 1);
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
    expect(requests).toHaveLength(1);
    await passSteps(10_000);
    expect(await settled(closing)).toEqual({ value: undefined });
  });
});

/** What becomes of one attempt after the other; the last of them is again and again. */
function fates(...given: ((call: SentCall) => { result?: object; error?: object } | undefined)[]) {
  let attempts = 0;
  return (call: SentCall) => {
    attempts += 1;
    return given[Math.min(attempts, given.length) - 1]?.(call);
  };
}

const connectionEnds = () => {
  server.socket.end();
  return undefined;
};

function withTime(timeoutMs: number | undefined) {
  return timeoutMs === undefined ? {} : { timeoutMs };
}

describe("what may be lost", () => {
  const operations: [string, string, (client: DurableStream, timeoutMs?: number) => Promise<unknown>][] = [
    ["a put in one call", "putObject", (client, timeoutMs) => client.objects.put("k", "small", withTime(timeoutMs))],
    ["a put in parts", "completeUpload", (client, timeoutMs) => client.objects.put("k", LARGE, withTime(timeoutMs))],
    ["a delete", "deleteObject", (client, timeoutMs) => client.objects.delete("k", withTime(timeoutMs))],
    ["a get", "getObject", (client, timeoutMs) => client.objects.get("k", withTime(timeoutMs))],
  ];

  it.each(operations)("is done again: %s", async (_name, method, start) => {
    const done = answers[method] ?? (() => ({ result: {} }));
    answers[method] = fates(
      connectionEnds,
      () => failure(-32_008),
      () => failure(-32_009),
      () => failure(-32_012),
      () => failure(-32_005, { retryAfterMs: 5 }),
      done,
    );
    const outcome = watch(start(server.client({ fetch: false })));
    await until("the call", () => calls(method).length > 0);
    await passSteps(10_000, 40);

    expect(await settled(outcome)).toHaveProperty("value");
    expect(calls(method)).toHaveLength(6);
    expect(new Set(calls(method).map(({ params }) => JSON.stringify(params))).size).toBe(1);
  });

  it.each(operations)("is not refused after it may have been done: %s", async (_name, method, start) => {
    answers[method] = fates(connectionEnds, () => failure(-32_004, { etag: "other" }));
    const outcome = watch(start(server.client({ fetch: false })));
    await until("the call", () => calls(method).length > 0);
    await passSteps(1_000);

    // Of a read nothing was done in any case.
    expect(await settled(outcome)).toMatchObject({
      error: method === "getObject" ? { name: "Conflict" } : { name: "OutcomeUnknown", cause: { name: "Conflict" } },
    });
    expect(calls(method)).toHaveLength(2);
  });

  it.each(operations)("has all the time that is given, and no more: %s", async (_name, method, start) => {
    answers[method] = fates(
      () => failure(method === "getObject" ? -32_009 : -32_008),
      () => failure(-32_009),
    );
    const outcome = watch(start(server.client({ fetch: false }), 20_000));
    await until("the call", () => calls(method).length > 0);
    await passSteps(19_900, 40);
    expect(outcome.outcome).toBe("pending");
    await passSteps(100);

    expect(await settled(outcome)).toMatchObject({
      error: { name: method === "getObject" ? "Unavailable" : "OutcomeUnknown" },
    });
    expect(calls(method).length).toBeGreaterThan(3);
  });

  it("is over where the server can not find out what became of an upload", async () => {
    answers["completeUpload"] = () => failure(-32_008, { what: "upload", exists: true, etag: "other" });
    const outcome = watch(server.client({ fetch: false }).objects.put("k", LARGE));

    expect(await settled(outcome)).toMatchObject({ error: { name: "OutcomeUnknown", data: { etag: "other" } } });
    expect(calls("completeUpload")).toHaveLength(1);
  });

  it("leaves an answer of the other way open, when one way may have put it and the other did not", async () => {
    answers["createUpload"] = () => failure(-32_602);
    const client = server.client({ fetch: scripted(networkFails, () => new Response("", { status: 413 })) });
    const outcome = watch(client.objects.put("k", LARGE));
    await passSteps(1_000);

    expect(await settled(outcome)).toMatchObject({
      error: { name: "OutcomeUnknown", cause: { name: "InvalidParams" } },
    });
  });

  it("is given up at once while it waits to be done again", async () => {
    const abort = new AbortController();
    answers["putObject"] = () => failure(-32_005, { retryAfterMs: 5_000 });
    const client = server.client();
    await client.objects.get("k").then(({ body }) => body.cancel());
    const timers = vi.getTimerCount();
    const outcome = watch(client.objects.put("k", "small", { signal: abort.signal }));
    await until("the call", () => calls("putObject").length === 1);
    await pass();
    abort.abort("no more");

    expect(await standing(outcome)).toEqual({ error: "no more" });
    // Nothing is left that keeps the process alive.
    expect(vi.getTimerCount()).toBe(timers);
  });
});

describe("a put over HTTP", () => {
  it("says everything in headers, to the same server", async () => {
    const client = server.client({
      url: "wss://stream.test/api/stream/orders",
      token: async () => "key",
      fetch: scripted(stored),
    });
    const put = client.objects.put("a b/ü%?", LARGE, {
      contentType: "text/plain",
      metadata: { of: "ü 100%" },
      ifMatch: "old",
      ifNoneMatch: "*",
      sha256: "00ff".repeat(16),
    });

    expect(await put).toEqual(INFO);
    expect(requests).toEqual([
      {
        url: "https://stream.test/api/r2/a%20b/%C3%BC%25%3F",
        method: "PUT",
        headers: {
          authorization: "Bearer key",
          "content-type": "text/plain",
          "content-digest": `sha-256=:${Buffer.from("00ff".repeat(16), "hex").toString("base64")}:`,
          "if-match": '"old"',
          "if-none-match": "*",
          "x-object-meta-of": "%C3%BC%20100%25",
        },
      },
    ]);
  });

  it.each([
    ["is put again when the request was lost", {}, [networkFails, networkFails, networkFails, stored], { value: INFO }],
    [
      "is put again behind a gateway that fails, and when the answer is not understood",
      {},
      [() => new Response("", { status: 502 }), () => new Response("<html>"), stored],
      { value: INFO },
    ],
    [
      "is put again when it was refused for now",
      {},
      [refused(503, -32_009), refused(429, -32_005, { retryAfterMs: 1 }), stored],
      { value: INFO },
    ],
    ["is put again under its conditions", { ifNoneMatch: "*" }, [networkFails, stored], { value: INFO }],
    [
      "is unknown when its condition does not hold after a request that was lost",
      { ifNoneMatch: "*" },
      [networkFails, refused(412, -32_004, { etag: "other" })],
      { error: { name: "OutcomeUnknown", code: -32_008, cause: { name: "Conflict", data: { etag: "other" } } } },
    ],
    [
      "is unknown when it is refused after a request that was lost",
      {},
      [networkFails, refused(401, -32_001)],
      { error: { name: "OutcomeUnknown", cause: { name: "Unauthenticated" } } },
    ],
    [
      "is what the server answers",
      {},
      [refused(412, -32_004, { etag: "other" })],
      { error: { name: "Conflict", code: -32_004, data: { etag: "other" } } },
    ],
  ] as const)("%s", async (_name, options, script, expected) => {
    const client = server.client({ fetch: scripted(...script) });
    const outcome = watch(client.objects.put("k", LARGE, options));
    await passSteps(10_000);

    expect(await settled(outcome)).toMatchObject(expected);
    expect(requests).toHaveLength(script.length);
  });

  it.each<[string, string, DurableStreamOptions["token"], (() => Response | Error)[]]>([
    ["OutcomeUnknown", "all requests are lost", "key", [networkFails]],
    ["OutcomeUnknown", "only those after the first are refused", "key", [networkFails, refused(503, -32_009)]],
    ["Unavailable", "all are refused for now", "key", [refused(503, -32_009)]],
    ["Unavailable", "there is no token", () => Promise.reject(new Error("no token")), [stored]],
  ])("is %s when %s, as long as there is time", async (name, _case, token, script) => {
    const client = server.client({ fetch: scripted(...script), token });
    const outcome = watch(client.objects.put("k", LARGE, { timeoutMs: 10_000 }));
    await passSteps(9_900);
    expect(outcome.outcome).toBe("pending");
    await passSteps(100);

    expect(await settled(outcome)).toMatchObject({ error: { name } });
    expect(requests.length > 3).toBe(typeof token === "string");
  });

  it("asks a token function again when the server does not take the token", async () => {
    const tokens = ["old", "new"];
    const fetch = scripted(refused(401, -32_001), stored);
    const outcome = watch(server.client({ fetch, token: () => tokens.shift() ?? "none" }).objects.put("k", LARGE));
    await passSteps(1_000);

    expect(await settled(outcome)).toEqual({ value: INFO });
    expect(requests.map(({ headers }) => headers["authorization"])).toEqual(["Bearer old", "Bearer new"]);
  });

  it("is Unavailable when the server takes no token of the function, as long as there is time", async () => {
    const client = server.client({ fetch: scripted(refused(401, -32_001)), token: () => "old" });
    const outcome = watch(client.objects.put("k", LARGE, { timeoutMs: 10_000 }));
    await passSteps(10_000);

    expect(await settled(outcome)).toMatchObject({
      error: { name: "Unavailable", cause: { name: "Unauthenticated" } },
    });
  });

  it("is Unavailable when the client was closed: nothing is sent", async () => {
    const client = server.client({ fetch: scripted(stored) });
    await client.close();

    expect(await settled(watch(client.objects.put("k", LARGE)))).toMatchObject({ error: { name: "Unavailable" } });
    expect(requests).toEqual([]);
  });

  it.each<[string, Parameters<ScriptedServer["client"]>[0], number]>([
    [
      "something on the way lets no such request through",
      { fetch: scripted(() => new Response("", { status: 413 })) },
      1,
    ],
    ["the token can not stand in a header", { fetch: scripted(stored), token: "kéy" }, 0],
    ["it is switched off", { fetch: false }, 0],
  ])("goes in parts instead where %s", async (_name, options, count) => {
    expect(await settled(watch(server.client(options).objects.put("k", LARGE)))).toEqual({ value: INFO });
    expect(calls("uploadPart")).toHaveLength(3);
    expect(requests).toHaveLength(count);
  });

  it.each([
    ["https://stream.test", 1],
    ["https://page.test", 0],
    ["null", 0],
  ])("is chosen by itself in a page of %s so often: %i", async (origin, count) => {
    vi.stubGlobal("fetch", scripted(stored));
    vi.stubGlobal("location", { origin });

    expect(await settled(watch(server.client().objects.put("k", LARGE)))).toEqual({ value: INFO });
    expect(requests).toHaveLength(count);
    expect(calls("completeUpload")).toHaveLength(1 - count);
  });
});

describe("a body", () => {
  const rest = LARGE.length - PART;

  it.each([
    ["breaks off", [some(PART, "breaks"), some(1, "ends")]],
    ["ends too early", [some(PART, "ends"), some(1, "ends")]],
    ["stalls", [some(PART, "stalls"), some(1, "ends")]],
    ["can not be opened at first", [networkFails, refused(503, -32_009), some(rest, "ends")]],
    ["is not served in part", [() => new Response("all of it")]],
  ])("is complete though it %s", async (_name, script) => {
    const client = server.client({ fetch: scripted(...script) });
    const { body } = await client.objects.get("k");
    const outcome = watch(readAll(body));
    await passSteps(31_000, 50);

    expect(await settled(outcome)).toEqual({ value: LARGE.length });
    expect(requests).toHaveLength(script.length);
    expect(requests[0]?.headers).toEqual({
      authorization: "Bearer key",
      range: `bytes=${PART}-`,
      "if-match": '"e"',
    });
  });

  it("asks a token function again when the server does not take the token", async () => {
    const fetch = scripted(() => new Response("", { status: 401 }), some(rest, "ends"));
    const tokens = ["socket", "old", "new"];
    const { body } = await server.client({ fetch, token: () => tokens.shift() ?? "none" }).objects.get("k");
    const outcome = watch(readAll(body));
    await passSteps(1_000);

    expect(await settled(outcome)).toEqual({ value: LARGE.length });
    expect(requests.map(({ headers }) => headers["authorization"])).toEqual(["Bearer old", "Bearer new"]);
  });

  it.each([
    ["Conflict", refused(412, -32_004, { etag: "new" })],
    ["Conflict", refused(416, -32_602)],
    ["NotFound", refused(404, -32_003)],
    ["Unauthenticated", refused(401, -32_001)],
    ["InternalError", some(rest + 1, "ends")],
    ["Unavailable", networkFails],
  ] as const)("is %s to its reader when that is answered as long as it waits", async (name, says) => {
    vi.spyOn(LARGE, "subarray").mockImplementation((start, end) => new Uint8Array((end ?? 0) - (start ?? 0)));
    const client = server.client({ fetch: scripted(says) });
    const { body } = await client.objects.get("k");
    const outcome = watch(readAll(body));
    await passSteps(40_000, 40);
    vi.restoreAllMocks();

    expect(await settled(outcome)).toMatchObject({ error: { name } });
  });

  it.each([
    ["another etag", () => ({ result: { ...pageOf({ offset: PART, length: 1 }), etag: "new" } })],
    ["no such range", () => failure(-32_602)],
  ])("is Conflict to its reader when a page has %s", async (_name, says) => {
    const { body } = await server.client({ fetch: false }).objects.get("k");
    answers["getObject"] = says;

    expect(await settled(watch(readAll(body)))).toMatchObject({ error: { name: "Conflict" } });
  });

  it("lets go of its request when it is cancelled", async () => {
    cancelled = 0;
    const client = server.client({ fetch: scripted(some(1, "stalls")) });
    const { body } = await client.objects.get("k");
    const reader = body.getReader();
    await reader.read();
    await until("the request", () => requests.length === 1);
    await reader.cancel();
    await pass();

    expect(cancelled).toBe(1);
  });
});

it.each(["half a pair \ud83d", `${"x".repeat(PART)}\udc00`])(
  "text that is not well-formed is no body, however large it is",
  async (body) => {
    const client = server.client({ fetch: scripted(stored) });

    for (const start of [
      () => client.objects.put("k", body),
      () => client.objects.publish({ stream: "s" }, "k", body),
    ]) {
      expect(await settled(watch(start()))).toMatchObject({
        error: { name: "InvalidParams", data: { issues: [{ path: "data" }] } },
      });
    }
    expect(requests).toEqual([]);
    expect(server.sockets).toHaveLength(0);
  },
);

describe("data of any size", () => {
  it("is put where the server finds a message too large that is within the limits known here", async () => {
    let attempts = 0;
    answers["publish"] = () => {
      attempts += 1;
      return attempts === 1 ? failure(-32_006, { what: "messageBytes", limit: 10 }) : { result: published(2) };
    };
    const data = { text: "more than ten bytes" };

    expect(await settled(watch(server.client().objects.publishOrPut({ stream: "s", data, id: "i" }, "k")))).toEqual({
      value: published(2),
    });
    const [put] = calls("putObject");
    expect(Buffer.from(String(put?.params["data"]), "base64").toString()).toBe(JSON.stringify(data));
    expect(put?.params["contentType"]).toBe("application/json");
    expect(calls("publish").map(({ params }) => params["id"])).toEqual(["i", "i"]);
    expect(calls("publish")[1]?.params["data"]).toEqual({ object: { key: "k", etag: "e", size: INFO.size } });
  });

  describe("has its place among the publishes of its stream by the order of calls", () => {
    const large = "x".repeat(LIMITS.messageBytes);
    const check = expect.objectContaining({ object: expect.anything() });

    it.each([
      ["too large by itself", { data: large }],
      ["too large with its headers", { data: large.slice(200), headers: { of: "y".repeat(200) } }],
    ])("before what is published while its object is put: %s", async (_what, message) => {
      answers["putObject"] = silent;
      const client = server.client();
      const all = [
        client.publish({ stream: "s", data: 1 }),
        client.objects.publishOrPut({ stream: "s", ...message }, "k"),
        client.publish({ stream: "s", data: 3 }),
        client.objects.publishOrPut({ stream: "s", data: 4 }, "k"),
        client.publish({ stream: "other", data: 5 }),
      ].map(watch);
      await until("the object to be put", () => calls("putObject").length === 1);
      await pass(1_000);
      expect(publishedData()).toEqual([1, 5]);
      server.socket.answer({ id: calls("putObject")[0]?.id, result: INFO });
      await until("all to be published", () => calls("publish").length === 5);

      expect(publishedData()).toEqual([1, 5, check, 3, 4]);
      expect(all.every(({ outcome }) => outcome !== "pending")).toBe(true);
    });

    it("and leaves it to those behind it when its object is not put", async () => {
      answers["putObject"] = silent;
      const client = server.client();
      const abort = new AbortController();
      const message = { stream: "s", data: large };
      const failed = watch(client.objects.publishOrPut(message, "k"));
      const aborted = watch(client.objects.publishOrPut(message, "k", { signal: abort.signal }));
      const late = watch(client.objects.publishOrPut(message, "k", { timeoutMs: 500 }));
      watch(client.publish({ stream: "s", data: 4 }));
      await until("the objects to be put", () => calls("putObject").length === 3);
      server.socket.answer({ id: calls("putObject")[0]?.id, ...failure(-32_002) });
      abort.abort("no more");
      await pass(499);
      expect(publishedData()).toEqual([]);
      await pass(1);
      await until("what is behind them", () => calls("publish").length === 1);

      expect(publishedData()).toEqual([4]);
      expect(failed.outcome).toMatchObject({ error: { name: "Forbidden" } });
      expect(aborted.outcome).toEqual({ error: "no more" });
      expect(late.outcome).toMatchObject({ error: { name: "OutcomeUnknown" } });
    });
  });

  it("is refused as publish refuses it where it is no JSON, and nothing is put", async () => {
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    const outcome = watch(server.client().objects.publishOrPut({ stream: "s", data: cyclic }, "k"));

    expect(await settled(outcome)).toMatchObject({ error: { name: "InvalidParams" } });
    expect(server.sockets.flatMap((socket) => socket.calls())).toEqual([]);
  });

  it.each([
    [{ object: { key: "k" } }],
    [{ object: { key: "k", etag: "e", size: 1 }, more: 1 }],
    [null],
    ["text"],
    [[1]],
  ])("is its own where it is no claim check: %j", async (data) => {
    expect(await settled(watch(server.client().objects.resolve({ data })))).toEqual({ value: data });
  });
});
