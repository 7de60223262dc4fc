/** What goes as it is while it is small, and as an object when it is large. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { LIMITS } from "../../../rpc/index.ts";

import { pass, published, watch } from "../scripted-server.ts";
import {
  beginScene,
  calls,
  endScene,
  failure,
  INFO,
  PART,
  publishedData,
  scene,
  scripted,
  settled,
  silent,
  stored,
  until,
} from "./scene.ts";

beforeEach(beginScene);
afterEach(endScene);

it.each(["half a pair \ud83d", `${"x".repeat(PART)}\udc00`])(
  "text that is not well-formed is no body, however large it is",
  async (body) => {
    const client = scene.server.client({ fetch: scripted(stored) });

    for (const start of [
      () => client.objects.put("k", body),
      () => client.objects.publish({ stream: "s" }, "k", body),
    ]) {
      expect(await settled(watch(start()))).toMatchObject({
        error: { name: "InvalidParams", data: { issues: [{ path: "data" }] } },
      });
    }
    expect(scene.requests).toEqual([]);
    expect(scene.server.sockets).toHaveLength(0);
  },
);

describe("data of any size", () => {
  it("is put where the server finds a message too large that is within the limits known here", async () => {
    let attempts = 0;
    scene.answers["publish"] = () => {
      attempts += 1;
      return attempts === 1 ? failure(-32_006, { what: "messageBytes", limit: 10 }) : { result: published(2) };
    };
    const data = { text: "more than ten bytes" };

    expect(
      await settled(watch(scene.server.client().objects.publishOrPut({ stream: "s", data, id: "i" }, "k"))),
    ).toEqual({
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
      scene.answers["putObject"] = silent;
      const client = scene.server.client();
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
      scene.server.socket.answer({ id: calls("putObject")[0]?.id, result: INFO });
      await until("all to be published", () => calls("publish").length === 5);

      expect(publishedData()).toEqual([1, 5, check, 3, 4]);
      expect(all.every(({ outcome }) => outcome !== "pending")).toBe(true);
    });

    it("and leaves it to those behind it when its object is not put", async () => {
      scene.answers["putObject"] = silent;
      const client = scene.server.client();
      const abort = new AbortController();
      const message = { stream: "s", data: large };
      const failed = watch(client.objects.publishOrPut(message, "k"));
      const aborted = watch(client.objects.publishOrPut(message, "k", { signal: abort.signal }));
      const late = watch(client.objects.publishOrPut(message, "k", { timeoutMs: 500 }));
      watch(client.publish({ stream: "s", data: 4 }));
      await until("the objects to be put", () => calls("putObject").length === 3);
      scene.server.socket.answer({ id: calls("putObject")[0]?.id, ...failure(-32_002) });
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
    const outcome = watch(scene.server.client().objects.publishOrPut({ stream: "s", data: cyclic }, "k"));

    expect(await settled(outcome)).toMatchObject({ error: { name: "InvalidParams" } });
    expect(scene.server.sockets.flatMap((socket) => socket.calls())).toEqual([]);
  });

  it.each([
    [{ object: { key: "k" } }],
    [{ object: { key: "k", etag: "e", size: 1 }, more: 1 }],
    [null],
    ["text"],
    [[1]],
  ])("is its own where it is no claim check: %j", async (data) => {
    expect(await settled(watch(scene.server.client().objects.resolve({ data })))).toEqual({ value: data });
  });
});
