import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

import { ErrorCode, LIMITS } from "../../rpc/index.ts";
import type { MethodParams } from "../../rpc/index.ts";
import { connect } from "../client.ts";
import type { TestClient } from "../client.ts";

type UploadStub = ReturnType<typeof env.UPLOAD.getByName>;
type Completion = MethodParams<"completeUpload">;

function tablesOf({ sql }: DurableObjectStorage): string[] {
  const rows = sql.exec<{ name: string }>(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
  );
  return rows.toArray().map(({ name }) => name);
}

it("keeps the parts of an upload across an eviction", async () => {
  const client = await connect();
  const { uploadId } = await client.call("createUpload", { key: "evicted", metadata: { a: "1" } });
  const part = await client.call("uploadPart", { key: "evicted", uploadId, partNumber: 1, data: "kept" });

  await evictDurableObject(env.UPLOAD.getByName(uploadId));
  await client.call("completeUpload", { key: "evicted", uploadId, parts: [part] });

  expect(await client.call("getObject", { key: "evicted" })).toMatchObject({ data: "kept", metadata: { a: "1" } });
});

it("drops an upload that is not completed in time", async () => {
  const client = await connect();
  const before = Date.now();
  const { uploadId, expiresAt } = await client.call("createUpload", { key: "late" });
  const part = await client.call("uploadPart", { key: "late", uploadId, partNumber: 1, data: "late" });

  const ran = await runDurableObjectAlarm(env.UPLOAD.getByName(uploadId));
  const error = await client.callError("completeUpload", { key: "late", uploadId, parts: [part] });

  expect(expiresAt).toBeGreaterThanOrEqual(before + LIMITS.uploadKeptMs);
  expect(ran).toBe(true);
  expect(error.code).toBe(ErrorCode.NotFound);
  expect(error.data).toEqual({ what: "upload" });
});

it("keeps nothing of an upload that is aborted, and of one that is completed only its answer, until the alarm", async () => {
  const client = await connect();
  const key = "done";
  const { uploadId: completed } = await client.call("createUpload", { key });
  const part = await client.call("uploadPart", { key, uploadId: completed, partNumber: 1, data: "x".repeat(500_000) });
  const complete = { key, uploadId: completed, parts: [part] };
  await client.call("completeUpload", complete);
  const { uploadId: aborted } = await client.call("createUpload", { key });
  await client.call("abortUpload", { key, uploadId: aborted });

  const left = await runInDurableObject(env.UPLOAD.getByName(completed), (_upload, { storage }) => ({
    tables: tablesOf(storage),
    bytes: storage.sql.databaseSize,
  }));
  const nothing = await runInDurableObject(env.UPLOAD.getByName(aborted), async (_upload, { storage }) => ({
    tables: tablesOf(storage),
    alarm: await storage.getAlarm(),
  }));
  const ran = await runDurableObjectAlarm(env.UPLOAD.getByName(completed));
  const after = await client.callError("completeUpload", complete);

  expect(left.tables).toEqual(["completed"]);
  expect(left.bytes).toBeLessThan(100_000);
  expect(nothing).toEqual({ tables: [], alarm: null });
  expect(ran).toBe(true);
  expect(after.data).toEqual({ what: "upload" });
});

it("loses the alarm of an upload only with its data", async () => {
  const client = await connect();
  const { uploadId } = await client.call("createUpload", { key: "cleaned" });

  // An object that ends between the two would keep the parts for ever.
  const deleted = await runInDurableObject(env.UPLOAD.getByName(uploadId), async (upload, { storage }) => {
    const calls: string[] = [];
    for (const name of ["deleteAlarm", "deleteAll"] as const) {
      const real = storage[name].bind(storage);
      storage[name] = async () => {
        calls.push(name);
        return real();
      };
    }
    await upload.abort("cleaned");
    return { calls, alarm: await storage.getAlarm() };
  });

  expect(deleted).toEqual({ calls: ["deleteAll"], alarm: null });
});

/** An upload of one part, and what completes it. */
async function begun(key: string): Promise<{ client: TestClient; stub: UploadStub; complete: Completion }> {
  const client = await connect();
  const { uploadId } = await client.call("createUpload", { key, metadata: { kind: "lost" } });
  const part = await client.call("uploadPart", { key, uploadId, partNumber: 1, data: "body" });
  return { client, stub: env.UPLOAD.getByName(uploadId), complete: { key, uploadId, parts: [part] } };
}

/** Completes an upload as far as the put, and loses the object before it has noted that. */
async function crashAfterPut(stub: UploadStub, { uploadId: _id, ...complete }: Completion): Promise<void> {
  await runInDurableObject(stub, async (upload, { storage }) => {
    storage.transactionSync = () => {
      throw new Error("crash");
    };
    await expect(upload.complete(complete)).rejects.toThrow("crash");
  });
  await evictDurableObject(stub);
}

describe("an answer that nobody got", () => {
  it.each([{}, { ifNoneMatch: "*" }])("is given again to the same completeUpload with %j", async (conditions) => {
    const { client, stub, complete } = await begun("lost");
    await env.BUCKET.delete("lost");
    const { uploadId: _id, ...params } = complete;

    const lost = await stub.complete({ ...params, ...conditions });
    const again = await client.call("completeUpload", { ...complete, ...conditions });
    await evictDurableObject(stub);
    const afterEviction = await client.call("completeUpload", { ...complete, ...conditions });
    const different = await client.callError("completeUpload", { ...complete, ...conditions, sha256: "0".repeat(64) });
    const aborted = await client.callError("abortUpload", { key: "lost", uploadId: complete.uploadId });

    expect(again).toMatchObject({ key: "lost", size: 4, metadata: { kind: "lost" } });
    expect(again).toEqual(lost);
    expect(afterEviction).toEqual(again);
    expect(different.data).toEqual({ what: "upload" });
    expect(aborted.data).toEqual({ what: "upload" });
  });

  it("is that of the call that still runs", async () => {
    const { client, complete } = await begun("twice");

    const [first, second] = await Promise.all([
      client.call("completeUpload", { ...complete, ifNoneMatch: "*" }),
      client.call("completeUpload", { ...complete, ifNoneMatch: "*" }),
    ]);

    expect(second).toEqual(first);
  });

  it("is found again after a crash between the put and the note of it", async () => {
    const { client, stub, complete } = await begun("crashed");
    const conditional = { ...complete, ifNoneMatch: "*" };
    await crashAfterPut(stub, conditional);

    const again = await client.call("completeUpload", conditional);
    const head = await client.call("headObject", { key: "crashed" });
    const over = await exports.default.fetch("http://stream.test/r2/crashed", {
      headers: { Authorization: `Bearer ${env.API_KEY}` },
    });

    expect(again).toEqual(head);
    expect(head.metadata).toEqual({ kind: "lost" });
    // How it is found is nothing that anybody sees.
    expect([...over.headers.keys()].filter((name) => name.startsWith("x-object-meta-"))).toEqual([
      "x-object-meta-kind",
    ]);
    expect(await over.text()).toBe("body");
  });

  it("makes abortUpload an error after a crash too", async () => {
    const { client, stub, complete } = await begun("crashed-aborted");
    await crashAfterPut(stub, complete);

    const aborted = await client.callError("abortUpload", { key: complete.key, uploadId: complete.uploadId });

    expect(aborted.data).toEqual({ what: "upload" });
    expect(await client.call("completeUpload", complete)).toMatchObject({ size: 4 });
  });

  it("is unknown once another has replaced what may have been stored", async () => {
    const { client, stub, complete } = await begun("replaced");
    const conditional = { ...complete, ifNoneMatch: "*" };
    await crashAfterPut(stub, conditional);
    const { etag } = await client.call("putObject", { key: "replaced", data: "by another" });

    const error = await client.callError("completeUpload", conditional);

    expect(error.code).toBe(ErrorCode.OutcomeUnknown);
    expect(error.data).toEqual({ what: "upload", exists: true, etag });
    expect(await client.call("getObject", { key: "replaced" })).toMatchObject({ data: "by another" });
  });
});

it("changes no part while the parts are being put as one object", async () => {
  const client = await connect();
  const key = "completing";
  const { uploadId } = await client.call("createUpload", { key });
  const data = "x".repeat(LIMITS.objectBodyBytes);
  const parts = [
    await client.call("uploadPart", { key, uploadId, partNumber: 1, data }),
    await client.call("uploadPart", { key, uploadId, partNumber: 2, data }),
  ];

  const completed = client.call("completeUpload", { key, uploadId, parts });
  const aborted = await client.callError("abortUpload", { key, uploadId });

  expect(aborted.code).toBe(ErrorCode.Conflict);
  expect(aborted.data).toEqual({ what: "upload" });
  expect(await completed).toMatchObject({ size: 2 * LIMITS.objectBodyBytes });
});

it("knows nothing of an upload that was never begun, and stores nothing to find out", async () => {
  const client = await connect();
  const uploadId = crypto.randomUUID();

  const error = await client.callError("uploadPart", { key: "none", uploadId, partNumber: 1, data: "x" });

  expect(error.code).toBe(ErrorCode.NotFound);
  expect(await runDurableObjectAlarm(env.UPLOAD.getByName(uploadId))).toBe(false);
});
