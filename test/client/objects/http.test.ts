/** Objects over HTTP, and their bodies. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { DurableStreamOptions } from "../../../rpc/client.ts";

import { pass, watch } from "../scripted-server.ts";
import type { ScriptedServer } from "../scripted-server.ts";
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
  readAll,
  refused,
  scene,
  scripted,
  settled,
  some,
  stored,
  until,
} from "./scene.ts";

beforeEach(beginScene);
afterEach(endScene);

describe("a put over HTTP", () => {
  it("says everything in headers, to the same server", async () => {
    const client = scene.server.client({
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
    expect(scene.requests).toEqual([
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
    const client = scene.server.client({ fetch: scripted(...script) });
    const outcome = watch(client.objects.put("k", LARGE, options));
    await passSteps(10_000);

    expect(await settled(outcome)).toMatchObject(expected);
    expect(scene.requests).toHaveLength(script.length);
  });

  it.each<[string, string, DurableStreamOptions["token"], (() => Response | Error)[]]>([
    ["OutcomeUnknown", "all requests are lost", "key", [networkFails]],
    ["OutcomeUnknown", "only those after the first are refused", "key", [networkFails, refused(503, -32_009)]],
    ["Unavailable", "all are refused for now", "key", [refused(503, -32_009)]],
    ["Unavailable", "there is no token", () => Promise.reject(new Error("no token")), [stored]],
  ])("is %s when %s, as long as there is time", async (name, _case, token, script) => {
    const client = scene.server.client({ fetch: scripted(...script), token });
    const outcome = watch(client.objects.put("k", LARGE, { timeoutMs: 10_000 }));
    await passSteps(9_900);
    expect(outcome.outcome).toBe("pending");
    await passSteps(100);

    expect(await settled(outcome)).toMatchObject({ error: { name } });
    expect(scene.requests.length > 3).toBe(typeof token === "string");
  });

  it("asks a token function again when the server does not take the token", async () => {
    const tokens = ["old", "new"];
    const fetch = scripted(refused(401, -32_001), stored);
    const outcome = watch(
      scene.server.client({ fetch, token: () => tokens.shift() ?? "none" }).objects.put("k", LARGE),
    );
    await passSteps(1_000);

    expect(await settled(outcome)).toEqual({ value: INFO });
    expect(scene.requests.map(({ headers }) => headers["authorization"])).toEqual(["Bearer old", "Bearer new"]);
  });

  it("is Unavailable when the server takes no token of the function, as long as there is time", async () => {
    const client = scene.server.client({ fetch: scripted(refused(401, -32_001)), token: () => "old" });
    const outcome = watch(client.objects.put("k", LARGE, { timeoutMs: 10_000 }));
    await passSteps(10_000);

    expect(await settled(outcome)).toMatchObject({
      error: { name: "Unavailable", cause: { name: "Unauthenticated" } },
    });
  });

  it("is Unavailable when the client was closed: nothing is sent", async () => {
    const client = scene.server.client({ fetch: scripted(stored) });
    await client.close();

    expect(await settled(watch(client.objects.put("k", LARGE)))).toMatchObject({ error: { name: "Unavailable" } });
    expect(scene.requests).toEqual([]);
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
    expect(await settled(watch(scene.server.client(options).objects.put("k", LARGE)))).toEqual({ value: INFO });
    expect(calls("uploadPart")).toHaveLength(3);
    expect(scene.requests).toHaveLength(count);
  });

  it.each([
    ["https://stream.test", 1],
    ["https://page.test", 0],
    ["null", 0],
  ])("is chosen by itself in a page of %s so often: %i", async (origin, count) => {
    vi.stubGlobal("fetch", scripted(stored));
    vi.stubGlobal("location", { origin });

    expect(await settled(watch(scene.server.client().objects.put("k", LARGE)))).toEqual({ value: INFO });
    expect(scene.requests).toHaveLength(count);
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
    const client = scene.server.client({ fetch: scripted(...script) });
    const { body } = await client.objects.get("k");
    const outcome = watch(readAll(body));
    await passSteps(31_000, 50);

    expect(await settled(outcome)).toEqual({ value: LARGE.length });
    expect(scene.requests).toHaveLength(script.length);
    expect(scene.requests[0]?.headers).toEqual({
      authorization: "Bearer key",
      range: `bytes=${PART}-`,
      "if-match": '"e"',
    });
  });

  it("asks a token function again when the server does not take the token", async () => {
    const fetch = scripted(() => new Response("", { status: 401 }), some(rest, "ends"));
    const tokens = ["socket", "old", "new"];
    const { body } = await scene.server.client({ fetch, token: () => tokens.shift() ?? "none" }).objects.get("k");
    const outcome = watch(readAll(body));
    await passSteps(1_000);

    expect(await settled(outcome)).toEqual({ value: LARGE.length });
    expect(scene.requests.map(({ headers }) => headers["authorization"])).toEqual(["Bearer old", "Bearer new"]);
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
    const client = scene.server.client({ fetch: scripted(says) });
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
    const { body } = await scene.server.client({ fetch: false }).objects.get("k");
    scene.answers["getObject"] = says;

    expect(await settled(watch(readAll(body)))).toMatchObject({ error: { name: "Conflict" } });
  });

  it("lets go of its request when it is cancelled", async () => {
    scene.cancelled = 0;
    const client = scene.server.client({ fetch: scripted(some(1, "stalls")) });
    const { body } = await client.objects.get("k");
    const reader = body.getReader();
    await reader.read();
    await until("the request", () => scene.requests.length === 1);
    await reader.cancel();
    await pass();

    expect(scene.cancelled).toBe(1);
  });
});
