import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { ErrorCode, LIMITS } from "../../rpc/index.ts";
import { connect } from "../client.ts";

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

it("sets no alarm once an upload is completed or aborted", async () => {
  const client = await connect();
  const key = "done";
  const { uploadId: completed } = await client.call("createUpload", { key });
  const part = await client.call("uploadPart", { key, uploadId: completed, partNumber: 1, data: "x" });
  await client.call("completeUpload", { key, uploadId: completed, parts: [part] });
  const { uploadId: aborted } = await client.call("createUpload", { key });
  await client.call("abortUpload", { key, uploadId: aborted });

  expect(await runDurableObjectAlarm(env.UPLOAD.getByName(completed))).toBe(false);
  expect(await runDurableObjectAlarm(env.UPLOAD.getByName(aborted))).toBe(false);
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
