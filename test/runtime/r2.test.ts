import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { bucketFailure } from "../../src/objects/failures.ts";

// What the objects rely on of R2, as its binding shows it here.

const bucket = env.BUCKET;

async function errorOf(call: Promise<unknown>): Promise<Error> {
  try {
    await call;
  } catch (error) {
    return error as Error;
  }
  throw new Error("the call succeeded");
}

async function stored(key: string, body: string): Promise<R2Object> {
  const object = await bucket.put(key, body);
  if (object === null) {
    throw new Error("a put without a condition stored nothing");
  }
  return object;
}

function unmodifiedSince(date: Date): R2PutOptions & { onlyIf: Headers } {
  return { onlyIf: new Headers({ "If-Unmodified-Since": date.toUTCString() }) };
}

function tags(name: "If-Match" | "If-None-Match", value: string): Headers {
  return new Headers({ [name]: value });
}

describe("a refusal", () => {
  it("is an Error that has its number at the end of the message and nowhere else", async () => {
    await bucket.put("refusal", "hello");

    const range = await errorOf(bucket.get("refusal", { range: { offset: 5 } }));
    const digest = await errorOf(bucket.put("refusal-digest", "x", { sha256: "00".repeat(32) }));
    const key = await errorOf(bucket.put("k".repeat(1_025), "x"));

    expect(range.message).toMatch(/ \(10039\)$/);
    expect(digest.message).toMatch(/ \(10037\)$/);
    expect(key.message).toMatch(/ \(10020\)$/);
    expect(range).not.toHaveProperty("code");
    expect(range).not.toBeInstanceOf(TypeError);
  });

  it("is told as what the caller can act on, and a failure as not done or unknown", async () => {
    const digest = await errorOf(bucket.put("refusal-digest", "x", { sha256: "00".repeat(32) }));
    const lost = new Error("Network connection lost.");
    const internal = new Error("put: We encountered an internal error. Please try again. (10001)");
    const rate = new Error("put: Reduce your rate of simultaneous writes on the same object. (10058)");
    const ours = new TypeError("not a stream");

    expect(bucketFailure(digest, "changes")).toMatchObject({ code: ErrorCode.InvalidParams });
    expect(bucketFailure(rate, "changes")).toMatchObject({ code: ErrorCode.RateLimited });
    expect(bucketFailure(lost, "changes")).toMatchObject({ code: ErrorCode.OutcomeUnknown });
    expect(bucketFailure(internal, "changes")).toMatchObject({ code: ErrorCode.OutcomeUnknown });
    expect(bucketFailure(lost, "reads")).toMatchObject({ code: ErrorCode.Unavailable });
    expect(bucketFailure("not an Error", "changes")).toMatchObject({ code: ErrorCode.OutcomeUnknown });
    expect(bucketFailure(ours, "reads")).toBe(ours);
  });
});

describe("a conditional put", () => {
  it("answers null when the condition does not hold, and changes nothing", async () => {
    const { etag } = await stored("conditional", "1");

    expect(await bucket.put("conditional", "2", { onlyIf: tags("If-None-Match", "*") })).toBeNull();
    expect(await bucket.put("conditional", "2", { onlyIf: tags("If-Match", '"other"') })).toBeNull();
    expect(await bucket.put("conditional", "2", { onlyIf: tags("If-Match", `W/"${etag}"`) })).toBeNull();
    expect(await bucket.put("conditional-none", "2", { onlyIf: tags("If-Match", "*") })).toBeNull();
    expect(await (await bucket.get("conditional"))?.text()).toBe("1");
    expect(await bucket.head("conditional-none")).toBeNull();
  });

  it("takes several tags, and no condition at all", async () => {
    const { etag } = await stored("tags", "1");

    expect(await bucket.put("tags", "2", { onlyIf: tags("If-Match", `"other", "${etag}"`) })).not.toBeNull();
    expect(await bucket.put("tags", "3", { onlyIf: new Headers() })).not.toBeNull();
  });

  it("throws at a tag without quotes", async () => {
    await errorOf(bucket.put("unquoted", "1", { onlyIf: tags("If-Match", "abc") }));

    expect(await bucket.head("unquoted")).toBeNull();
  });

  it("wants an object older than If-Unmodified-Since", async () => {
    const { uploaded } = await stored("dated", "1");
    const later = new Date(uploaded.getTime() + 1_000);

    expect(await bucket.put("dated", "2", unmodifiedSince(uploaded))).toBeNull();
    expect(await bucket.put("dated", "2", unmodifiedSince(later))).not.toBeNull();
  });

  it("compares bytes and not versions, of which each put makes another", async () => {
    const first = await stored("versions", "same");
    const second = await stored("versions", "same");

    expect(second.etag).toBe(first.etag);
    expect(second.version).not.toBe(first.version);
    expect((await bucket.head("versions"))?.version).toBe(second.version);
    expect(await bucket.put("versions", "other", { onlyIf: tags("If-Match", first.httpEtag) })).not.toBeNull();
  });

  it("is decided when the body is there: one of many at once wins", async () => {
    const { etag } = await stored("race", "start");

    const puts = await Promise.all(
      Array.from({ length: 20 }, (_, n) => bucket.put("race", `${n}`, { onlyIf: tags("If-Match", `"${etag}"`) })),
    );

    expect(puts.filter((put) => put !== null)).toHaveLength(1);
  });
});

describe("a body", () => {
  it("must have a known length", async () => {
    const unknown = new Blob(["x"]).stream().pipeThrough(new TransformStream());

    expect(await errorOf(bucket.put("unknown-length", unknown))).toBeInstanceOf(TypeError);
  });

  it.each([new Error("gone"), "gone"])("that breaks off is not stored: %s", async (reason) => {
    const { readable, writable } = new FixedLengthStream(10);
    const writer = writable.getWriter();
    const put = errorOf(bucket.put("broken-off", readable));

    await writer.write(new Uint8Array(5));
    await writer.abort(reason);

    expect(bucketFailure(await put, "changes")).toMatchObject({ code: ErrorCode.OutcomeUnknown });
    expect(await bucket.head("broken-off")).toBeNull();
  });
});

describe("a read", () => {
  it("on an unmet condition is the object without its body", async () => {
    const { httpEtag } = await stored("unmet", "hello");

    const object = await bucket.get("unmet", { onlyIf: tags("If-None-Match", httpEtag) });

    expect(object).toMatchObject({ key: "unmet", size: 5 });
    expect(object).not.toHaveProperty("body");
  });

  it("of a range is cut at the end, and refused beyond it", async () => {
    await bucket.put("range", "0123456789");

    const cut = await bucket.get("range", { range: { offset: 8, length: 100 } });
    const suffix = await bucket.get("range", { range: { suffix: 100 } });

    expect([await cut?.text(), cut?.size]).toEqual(["89", 10]);
    expect(await suffix?.text()).toBe("0123456789");
    expect((await errorOf(bucket.get("range", { range: { offset: 10 } }))).message).toMatch(/ \(10039\)$/);
    expect((await errorOf(bucket.get("range", { range: { suffix: 0 } }))).message).toMatch(/ \(10039\)$/);
  });
});

/** What is listed of "order/" behind a text. */
async function behind(start: string): Promise<string[]> {
  const options = { prefix: "order/", startAfter: `order/${start}`, delimiter: "/" };
  const { objects, delimitedPrefixes } = await bucket.list(options);
  return [...objects.map(({ key }) => key), ...delimitedPrefixes].map((name) => name.slice("order/".length));
}

describe("a listing", () => {
  it("has metadata when asked to, and a cursor when there is more", async () => {
    for (const name of ["a", "b/1", "b/2", "c"]) {
      await bucket.put(`list/${name}`, "x", {
        httpMetadata: { contentType: "text/plain" },
        customMetadata: { name },
        sha256: await crypto.subtle.digest("SHA-256", new TextEncoder().encode("x")),
      });
    }

    const include: ("httpMetadata" | "customMetadata")[] = ["httpMetadata", "customMetadata"];
    const page = await bucket.list({ prefix: "list/", delimiter: "/", limit: 2, include });
    const rest = await bucket.list({
      prefix: "list/",
      delimiter: "/",
      include,
      ...(page.truncated ? { cursor: page.cursor } : {}),
    });

    expect(page.truncated).toBe(true);
    expect(page.objects.map(({ key }) => key)).toEqual(["list/a"]);
    expect(page.delimitedPrefixes).toEqual(["list/b/"]);
    expect(rest.truncated).toBe(false);
    expect(rest.objects).toMatchObject([
      { key: "list/c", httpMetadata: { contentType: "text/plain" }, customMetadata: { name: "c" } },
    ]);
    expect(rest.objects[0]?.checksums.sha256?.byteLength).toBe(32);
  });

  it("begins behind any text in the order of UTF-8, whether or not there is such a key", async () => {
    const names = ["a", "b/1", "b/\u{10ffff}", "b0", "\uffff", "\u{10000}"];
    await Promise.all(names.map((name) => bucket.put(`order/${name}`, "")));
    expect(await behind("")).toEqual(["a", "b0", "\uffff", "\u{10000}", "b/"]);
    expect(await behind("b/0")).toEqual(["b0", "\uffff", "\u{10000}", "b/"]);
    expect(await behind(`b/${"\u{10ffff}".repeat(254)}`)).toEqual(["b0", "\uffff", "\u{10000}"]);
    expect(await behind("\uffff")).toEqual(["\u{10000}"]);
  });
});

it("fails when a listing is over 1 MiB, so that no page of ours can be", async () => {
  const customMetadata = { long: "\u0001".repeat(2_000) };
  const names = Array.from({ length: 100 }, (_, n) => `long/${n}`);
  await Promise.all(names.map((name) => bucket.put(name, "", { customMetadata })));

  const error = await errorOf(bucket.list({ prefix: "long/", include: ["customMetadata"] }));
  const { objects } = await bucket.list({ prefix: "long/", include: ["customMetadata"], limit: 10 });

  expect(bucketFailure(error, "reads")).toMatchObject({ code: ErrorCode.Unavailable });
  expect(objects).toHaveLength(10);
});

it("deletes keys that do not exist", async () => {
  await bucket.put("delete/a", "x");

  await bucket.delete(["delete/a", "delete/none"]);

  expect(await bucket.head("delete/a")).toBeNull();
});

it("refuses a multipart upload with parts under 5 MiB, which is why an upload's parts do not wait there", async () => {
  const upload = await bucket.createMultipartUpload("multipart");
  const first = await upload.uploadPart(1, new Uint8Array(1_048_576));
  const second = await upload.uploadPart(2, new Uint8Array(1_048_576));

  expect((await errorOf(upload.complete([first, second]))).message).toMatch(/ \(10011\)$/);
  await upload.abort();
});
