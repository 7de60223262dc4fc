import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

import { ErrorCode, LIMITS } from "../../rpc/index.ts";
import type { MethodParams } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";

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

it("goes on with an upload that was begun before its tables had versions", async () => {
  const client = await connect();
  const { uploadId } = await client.call("createUpload", { key: "begun-before" });
  const part = await client.call("uploadPart", { key: "begun-before", uploadId, partNumber: 1, data: "kept" });
  const stub = env.UPLOAD.getByName(uploadId);
  await runInDurableObject(stub, (_upload, { storage }) => {
    storage.sql.exec("DROP TABLE schema_version; DROP TABLE attempts");
  });
  await evictDurableObject(stub);

  await client.call("completeUpload", { key: "begun-before", uploadId, parts: [part] });

  expect(await client.call("getObject", { key: "begun-before" })).toMatchObject({ data: "kept" });
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

  expect(left.tables).toEqual(["schema_version", "completed"]);
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

  it("is unknown to abortUpload too while an earlier put may have stored the object", async () => {
    const { client, stub, complete } = await begun("unknown-aborted");
    const first = await interrupted(stub, complete, "after the repetition");

    const aborted = await client.callError("abortUpload", { key: complete.key, uploadId: complete.uploadId });
    await first.land();
    const again = await client.callError("completeUpload", complete);

    expect(aborted.code).toBe(ErrorCode.OutcomeUnknown);
    expect(aborted.data).toEqual({ what: "upload", exists: false });
    expect(again.data).toEqual({ what: "upload" });
  });
});

const LANDINGS = ["never", "before the repetition", "during the repetition", "after the repetition"] as const;

/** A put of an upload that was begun, whose object was then lost: whether and when R2 carries it out. */
type Interrupted = { land: () => Promise<void>; hasLanded: () => boolean };

/** The put that an Upload would do, in the hands of a test. */
type PutFault = (put: () => Promise<R2Object | null>) => Promise<R2Object | null>;

/** Runs completeUpload in an object of which every put goes through `fault`. */
async function completeWith(stub: UploadStub, { uploadId: _id, ...complete }: Completion, fault: PutFault) {
  return runInDurableObject(stub, async (upload) => {
    const holder = upload as unknown as { env: { BUCKET: Pick<R2Bucket, "head" | "put"> } };
    const { BUCKET } = holder.env;
    holder.env = {
      BUCKET: {
        head: (key: string) => BUCKET.head(key),
        put: (async (key: string, body: ReadableStream, options: R2PutOptions) => {
          const bytes = await new Response(body).bytes();
          return fault(() => env.BUCKET.put(key, bytes, options));
        }) as R2Bucket["put"],
      },
    };
    try {
      return await upload.complete(complete);
    } finally {
      holder.env = { BUCKET };
    }
  });
}

/** Completes an upload as far as the put, of which nothing is heard, and then loses the object. */
async function interrupted(
  stub: UploadStub,
  complete: Completion,
  landing: (typeof LANDINGS)[number],
): Promise<Interrupted> {
  let put: (() => Promise<R2Object | null>) | undefined;
  let stored: R2Object | null = null;
  const land = async () => {
    stored = (await put?.()) ?? null;
  };
  const answer = await completeWith(stub, complete, async (given) => {
    put = given;
    if (landing === "before the repetition") {
      await land();
    }
    throw new Error("Network connection lost.");
  });
  expect(answer).toMatchObject({ refused: { code: ErrorCode.OutcomeUnknown } });
  await evictDurableObject(stub);
  return { land, hasLanded: () => stored !== null };
}

describe.each([
  ["nothing", undefined],
  ["an object", "old"],
] as const)("a completeUpload of a key with %s that is repeated", (_what, old) => {
  describe.each(LANDINGS)("and whose first put lands %s", (landing) => {
    it.each([
      ["nobody else does anything", undefined],
      ["another puts a newer object", "newer"],
      ["another puts again what there was", "old"],
    ] as const)("stores its object once, and in the place of nothing newer, where %s", async (_case, another) => {
      const { stub, complete } = await begun(`${old} ${landing} ${another}`);
      const { key } = complete;
      await (old === undefined ? env.BUCKET.delete(key) : env.BUCKET.put(key, old));
      const first = await interrupted(stub, complete, landing);
      const newer = another === undefined ? null : await env.BUCKET.put(key, another);

      let hasSecondLanded = false;
      const answer = await completeWith(stub, complete, async (put) => {
        if (landing === "during the repetition") {
          await first.land();
        }
        const object = await put();
        hasSecondLanded = object !== null;
        return object;
      });
      if (landing === "after the repetition") {
        await first.land();
      }

      const there = await env.BUCKET.head(key);
      if (newer === null) {
        expect([first.hasLanded(), hasSecondLanded].filter(Boolean)).toHaveLength(1);
        expect(answer).toMatchObject({ key, size: 4, etag: there?.etag, metadata: { kind: "lost" } });
        expect(await (await env.BUCKET.get(key))?.text()).toBe("body");
      } else {
        expect(hasSecondLanded).toBe(false);
        expect(answer).toEqual({
          refused: {
            code: ErrorCode.OutcomeUnknown,
            message: expect.any(String),
            data: { what: "upload", exists: true, etag: newer.etag },
          },
        });
        // The first may still replace what no condition tells from what it was begun upon: nobody was told that it is done.
        const isTold = another !== old || landing !== "after the repetition";
        expect(there?.version === newer.version || !isTold).toBe(true);
      }
    });
  });
});

it("replaces what another puts meanwhile, when it has no condition, and does not when it has", async () => {
  const { client, stub, complete } = await begun("contended");
  const other = await client.call("createUpload", { key: "contended" });
  const part = await client.call("uploadPart", {
    key: "contended",
    uploadId: other.uploadId,
    partNumber: 1,
    data: "2",
  });
  await env.BUCKET.delete("contended");
  const conditional = { key: "contended", uploadId: other.uploadId, parts: [part], ifNoneMatch: "*" };
  let others = 0;
  const overtaken: PutFault = async (put) => {
    if (others < 2) {
      others += 1;
      await env.BUCKET.put("contended", `by another ${others}`);
    }
    return put();
  };

  const refused = await completeWith(env.UPLOAD.getByName(other.uploadId), conditional, overtaken);
  const completed = await completeWith(stub, complete, overtaken);

  expect(refused).toMatchObject({ refused: { code: ErrorCode.Conflict, data: { exists: true } } });
  expect(others).toBe(2);
  expect(completed).toMatchObject({ size: 4 });
  expect(await client.call("getObject", { key: "contended" })).toMatchObject({ data: "body" });
});

it("is RateLimited, with nothing done, while another puts the key again and again", async () => {
  const { client, stub, complete } = await begun("hot");
  let others = 0;

  const refused = await completeWith(stub, complete, async (put) => {
    others += 1;
    await env.BUCKET.put("hot", `by another ${others}`);
    return put();
  });
  const { data } = await client.call("getObject", { key: "hot" });
  const later = await client.call("completeUpload", complete);

  expect(refused).toMatchObject({ refused: { code: ErrorCode.RateLimited, data: { retryAfterMs: 1_000 } } });
  expect(data).toBe(`by another ${others}`);
  expect(later).toMatchObject({ size: 4 });
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
