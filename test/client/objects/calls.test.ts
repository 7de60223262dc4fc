/** Objects by calls alone: in one, in parts, in pages. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { DurableStream } from "../../../rpc/client.ts";
import { ErrorCode } from "../../../rpc/index.ts";

import { pass, standing, watch } from "../scripted-server.ts";
import type { SentCall } from "../scripted-server.ts";
import {
  beginScene,
  calls,
  endScene,
  failure,
  INFO,
  LARGE,
  networkFails,
  pageOf,
  PART,
  passSteps,
  scene,
  scripted,
  settled,
  stalling,
  until,
} from "./scene.ts";

beforeEach(beginScene);
afterEach(endScene);

describe("a put in parts", () => {
  it("sends a part again whose socket was lost, that was refused for now, or of which the outcome is unknown", async () => {
    const failures = [() => scene.server.socket.end(), () => failure(-32_012), () => failure(-32_008)];
    const answered = scene.answers["uploadPart"];
    scene.answers["uploadPart"] = (call) => {
      const fails = call.params["partNumber"] === 2 ? failures.shift() : undefined;
      return fails === undefined ? answered?.(call) : (fails() ?? undefined);
    };
    const outcome = watch(scene.server.client({ fetch: false }).objects.put("k", LARGE));
    await until("a part", () => calls("uploadPart").length >= 2);
    await passSteps(2_000);

    expect(await settled(outcome)).toEqual({ value: INFO });
    expect(calls("uploadPart").map(({ params }) => params["partNumber"])).toEqual([1, 2, 2, 2, 2, 3]);
    expect(calls("completeUpload")[0]?.params["parts"]).toHaveLength(3);
  });

  it.each(["createUpload", "uploadPart"])(
    "is Unavailable, and not unknown, when %s can not be done",
    async (method) => {
      scene.answers[method] = () => failure(-32_008);
      const outcome = watch(scene.server.client({ fetch: false }).objects.put("k", LARGE));
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
    scene.answers["createUpload"] = () => failure(-32_602);
    const source = stalling(PART * 2 + 1);

    const outcome = watch(scene.server.client().objects.put("k", source.body));

    expect(await settled(outcome)).toMatchObject({ error: { name: "InvalidParams" } });
    expect(source.reason()).not.toBe("not cancelled");
    expect(source.body.locked).toBe(false);
  });

  it("fails with what its source fails with", async () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(LARGE),
      pull: () => Promise.reject(new RangeError("the disk is gone")),
    });

    const outcome = watch(scene.server.client().objects.put("k", body));

    expect(await settled(outcome)).toMatchObject({ error: { name: "RangeError" } });
  });

  it("is not tried on when the client is closed", async () => {
    scene.answers["uploadPart"] = () => failure(-32_009);
    const client = scene.server.client({ fetch: false });
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
    scene.answers["getObject"] = ({ params }) => {
      asked += 1;
      if (asked === 1) {
        return failure(ErrorCode.InvalidParams, { issues: [] });
      }
      return params["range"] === undefined
        ? failure(ErrorCode.TooLarge, { what: "objectBodyBytes", limit: PART, size: LARGE.length })
        : { result: pageOf(params["range"]) };
    };
    const client = scene.server.client({ fetch: false });

    const { size, body } = await client.objects.get("k");

    expect(size).toBe(LARGE.length);
    expect(asked).toBe(3);
    await body.cancel();
    await client.close();
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
  scene.server.socket.end();
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
    const done = scene.answers[method] ?? (() => ({ result: {} }));
    scene.answers[method] = fates(
      connectionEnds,
      () => failure(-32_008),
      () => failure(-32_009),
      () => failure(-32_012),
      () => failure(-32_005, { retryAfterMs: 5 }),
      done,
    );
    const outcome = watch(start(scene.server.client({ fetch: false })));
    await until("the call", () => calls(method).length > 0);
    await passSteps(10_000, 40);

    expect(await settled(outcome)).toHaveProperty("value");
    expect(calls(method)).toHaveLength(6);
    expect(new Set(calls(method).map(({ params }) => JSON.stringify(params))).size).toBe(1);
  });

  it.each(operations)("is not refused after it may have been done: %s", async (_name, method, start) => {
    scene.answers[method] = fates(connectionEnds, () => failure(-32_004, { etag: "other" }));
    const outcome = watch(start(scene.server.client({ fetch: false })));
    await until("the call", () => calls(method).length > 0);
    await passSteps(1_000);

    // Of a read nothing was done in any case.
    expect(await settled(outcome)).toMatchObject({
      error: method === "getObject" ? { name: "Conflict" } : { name: "OutcomeUnknown", cause: { name: "Conflict" } },
    });
    expect(calls(method)).toHaveLength(2);
  });

  it.each(operations)("has all the time that is given, and no more: %s", async (_name, method, start) => {
    scene.answers[method] = fates(
      () => failure(method === "getObject" ? -32_009 : -32_008),
      () => failure(-32_009),
    );
    const outcome = watch(start(scene.server.client({ fetch: false }), 20_000));
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
    scene.answers["completeUpload"] = () => failure(-32_008, { what: "upload", exists: true, etag: "other" });
    const outcome = watch(scene.server.client({ fetch: false }).objects.put("k", LARGE));

    expect(await settled(outcome)).toMatchObject({ error: { name: "OutcomeUnknown", data: { etag: "other" } } });
    expect(calls("completeUpload")).toHaveLength(1);
  });

  it("leaves an answer of the other way open, when one way may have put it and the other did not", async () => {
    scene.answers["createUpload"] = () => failure(-32_602);
    const client = scene.server.client({ fetch: scripted(networkFails, () => new Response("", { status: 413 })) });
    const outcome = watch(client.objects.put("k", LARGE));
    await passSteps(1_000);

    expect(await settled(outcome)).toMatchObject({
      error: { name: "OutcomeUnknown", cause: { name: "InvalidParams" } },
    });
  });

  it("is given up at once while it waits to be done again", async () => {
    const abort = new AbortController();
    scene.answers["putObject"] = () => failure(-32_005, { retryAfterMs: 5_000 });
    const client = scene.server.client();
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

describe("a signed URL", () => {
  it.each([
    ["https://stream.test", "https://stream.test"],
    ["wss://stream.test/rpc", "https://stream.test"],
    ["ws://stream.test:8787/stream/orders", "http://stream.test:8787"],
    ["https://stream.test/api/rpc", "https://stream.test/api"],
  ])("is whole, of the server at %s, also where objects do not go over HTTP", async (url, root) => {
    scene.answers["createObjectUrl"] = () => ({ result: { url: "/r2/a%20b?expires=1&signature=x", expiresAt: 1 } });

    const made = watch(scene.server.client({ url, fetch: false }).objects.createUrl("a b", { expiresInMs: 5_000 }));
    await pass();

    expect(made.outcome).toEqual({ value: { url: `${root}/r2/a%20b?expires=1&signature=x`, expiresAt: 1 } });
    expect(calls("createObjectUrl")[0]?.params).toEqual({ key: "a b", expiresInMs: 5_000 });
  });
});
