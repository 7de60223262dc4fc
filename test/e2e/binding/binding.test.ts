import { join } from "node:path";

import { describe, expect } from "vitest";

import { ErrorCode, LIMITS } from "../../../rpc/index.ts";

import type { BindingCall, BindingOutcome } from "./binding-caller.ts";
import { startInOneRuntime, startInTwoProcesses } from "./bound-workers.ts";
import type { BoundWorker } from "./bound-workers.ts";
import { test } from "../server/fixtures.ts";

const CALLER = { entry: join(import.meta.dirname, "binding-caller.ts") };
const START_MS = 120_000;

/** More than one part, and no whole number of them. */
const LARGE = "0123456789".repeat(LIMITS.objectBodyBytes / 4);

/** Makes a call in the calling Worker, which is given the body. */
async function calling(worker: BoundWorker, call: BindingCall, body = ""): Promise<BindingOutcome> {
  const init = { method: "POST", headers: { Call: JSON.stringify(call) }, ...(body === "" ? {} : { body }) };
  const response = await worker.fetch("/", init);
  const text = await response.text();
  expect([response.status, text]).toEqual([200, expect.any(String)]);
  return JSON.parse(text) as BindingOutcome;
}

describe.each([
  ["in one runtime", startInOneRuntime],
  ["in two processes of wrangler dev", startInTwoProcesses],
])("two Workers %s", (_where, start) => {
  test("tell each other results and errors", { timeout: START_MS }, async ({ data }) => {
    await using worker = await start(CALLER, data);
    const stream = "bound";

    const published = await calling(worker, { method: "publish", params: { stream, data: { text: "é" } } });
    const conflict = await calling(worker, {
      method: "publish",
      params: { stream, data: 1, expect: { lastSequence: 7 } },
    });
    const missing = await calling(worker, { method: "headObject", params: { key: 'none ["{} [-32004 {}]' } });
    const misfit = await calling(worker, { method: "getMessages", params: { stream, limit: 0, " [-32004 {}]": 1 } });

    expect(published.result).toMatchObject({ stream, sequence: 1 });
    expect(conflict.error).toEqual({
      name: "Conflict",
      code: ErrorCode.Conflict,
      message: "the last sequence is another",
      data: { lastSequence: 1, epoch: (published.result as { epoch: string }).epoch },
    });
    expect(missing.error).toMatchObject({ name: "NotFound", data: { what: "object" } });
    expect(misfit.error).toMatchObject({
      name: "InvalidParams",
      message: "getMessages: params. (-32004 {}] is not known; known are stream, from, epoch, filter, limit",
      data: { issues: [{ path: " [-32004 {}]" }, { path: "limit" }] },
    });
  });

  test("hand each other streams as bodies of objects", { timeout: START_MS }, async ({ data }) => {
    await using worker = await start(CALLER, data);
    const put = (params: Record<string, unknown>, from: BindingCall["data"], body?: string) =>
      calling(worker, { method: "putObject", params, ...(from === undefined ? {} : { data: from }) }, body);
    const get = (key: string) => calling(worker, { method: "getObject", params: { key, encoding: "stream" } });

    expect(await put({ key: "hello", contentType: "text/plain" }, "response")).toMatchObject({
      result: { key: "hello", size: 5, contentType: "text/plain" },
    });
    expect((await get("hello")).result).toMatchObject({ size: 5, text: "hello" });
    expect(
      (await put({ key: "large", metadata: { of: "1" }, ifNoneMatch: "*" }, "request", LARGE)).result,
    ).toMatchObject({ size: LARGE.length, metadata: { of: "1" } });
    expect((await get("large")).result?.text === LARGE).toBe(true);
    expect((await put({ key: "sized", size: LARGE.length }, "request", LARGE)).result).toMatchObject({
      size: LARGE.length,
    });
    expect((await get("sized")).result?.text === LARGE).toBe(true);
    expect((await put({ key: "empty", size: 0 }, { bytes: 0 })).result).toMatchObject({ size: 0 });
    const bytes = LARGE.length;
    for (const size of [0, 1, 65_536, 131_072, bytes - 1, bytes + 1]) {
      expect((await put({ key: "other", size }, { bytes })).error).toMatchObject({
        name: "InvalidParams",
        data: { issues: [{ path: "size" }] },
      });
    }
    for (const [params, of] of [
      [{ size: bytes }, bytes],
      [{}, bytes],
      [{}, 5],
    ] as const) {
      expect((await put({ key: "other", ...params }, { bytes: of, fails: true })).error).toMatchObject({
        name: "Unavailable",
      });
    }
    for (const params of [{ size: bytes }, {}]) {
      expect((await put({ key: "hello", ifNoneMatch: "*", ...params }, { bytes })).error).toMatchObject({
        name: "Conflict",
        data: { exists: true },
      });
    }
    expect((await put({ key: "../x" }, { bytes })).error).toMatchObject({ name: "InvalidParams" });
    expect((await get("other")).error).toMatchObject({ name: "NotFound" });
    expect((await get("hello")).result).toMatchObject({ text: "hello" });
  });
});

test("a binding to a server that has no key is told so when it asks for a signed URL", async ({ data }) => {
  await using worker = await startInOneRuntime(CALLER, data);

  expect(await calling(worker, { method: "createObjectUrl", params: { key: "k" } })).toMatchObject({
    error: { name: "Unavailable", message: "no API_KEY is configured" },
  });
});
