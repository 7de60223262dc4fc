import { env, exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";

import { ErrorCode, ALTERNATIVES, LIMITS } from "../../rpc/index.ts";
import type { ErrorData, ListObjectsResult, ObjectInfo } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";

type Init = { method?: string; headers?: Record<string, string>; body?: BodyInit };

async function send(path: string, { method = "GET", headers = {}, body }: Init = {}): Promise<Response> {
  return exports.default.fetch(`http://stream.test${path}`, {
    method,
    headers: { Authorization: `Bearer ${env.API_KEY}`, ...headers },
    ...(body === undefined ? {} : { body }),
  });
}

async function put(path: string, body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  return send(path, { method: "PUT", body, headers });
}

/** A put that must succeed. */
async function stored(path: string, body: BodyInit, headers: Record<string, string> = {}): Promise<ObjectInfo> {
  const response = await put(path, body, headers);
  expect([200, 201]).toContain(response.status);
  return response.json();
}

type ErrorBody = { jsonrpc: string; id: unknown; error: { code: number; message: string; data?: ErrorData } };

/** Status and error code of an answer whose body must be an error as JSON-RPC says it. */
async function failure(response: Response): Promise<{ status: number; code: number; data: ErrorData | undefined }> {
  expect(response.headers.get("Content-Type")).toBe("application/json");
  const body: ErrorBody = await response.json();
  expect(body).toEqual({ jsonrpc: "2.0", id: null, error: expect.anything() });
  return { status: response.status, code: body.error.code, data: body.error.data };
}

async function messageOf(response: Response): Promise<string> {
  const { error } = await response.json<ErrorBody>();
  return error.message;
}

async function gzipped(text: string): Promise<Uint8Array> {
  return new Response(new Response(text).body?.pipeThrough(new CompressionStream("gzip"))).bytes();
}

async function keysOf(prefix = ""): Promise<string[]> {
  const { objects } = await env.BUCKET.list({ prefix });
  return objects.map(({ key }) => key);
}

/** A date as C's asctime() has it: Wed Oct 21 07:28:00 2015. */
function oldFormat(date: string): string {
  return date.replace(/^(...), (..) (...) (....) (.*) GMT$/, "$1 $3 $2 $5 $4");
}

describe("put and get", () => {
  it("returns the body with its length, tag, date and headers", async () => {
    const info = await stored("/r2/http/a%20b.txt", "héllo", {
      "Content-Type": "text/plain; charset=utf-8",
      "Content-Language": "de",
      "Cache-Control": "max-age=60",
      Expires: "Wed, 21 Oct 2037 07:28:00 GMT",
      "Content-Disposition": 'inline; filename="a.txt"',
      "X-Object-Meta-Origin": "Z%C3%BCrich%20100%25",
      "X-Unknown": "not kept",
      "Set-Cookie": "no=kept",
    });

    const response = await send("/r2/http/a%20b.txt");

    expect(info).toMatchObject({ key: "http/a b.txt", size: 6, metadata: { origin: "Zürich 100%" } });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("héllo");
    expect(Object.fromEntries(response.headers)).toEqual({
      "accept-ranges": "bytes",
      "cache-control": "max-age=60, no-transform",
      "content-disposition": 'inline; filename="a.txt"',
      "content-language": "de",
      "content-length": "6",
      "content-security-policy": "default-src 'none'; sandbox",
      "content-type": "text/plain; charset=utf-8",
      etag: `"${info.etag}"`,
      expires: "Wed, 21 Oct 2037 07:28:00 GMT",
      "last-modified": new Date(info.uploadedAt).toUTCString(),
      "x-content-type-options": "nosniff",
      "x-object-meta-origin": "Z%C3%BCrich%20100%25",
    });
  });

  it("is one bucket with the methods", async () => {
    const client = await connect();
    await client.call("putObject", { key: "both/rpc", data: "by method", metadata: { a: " spaced " } });
    await stored("/r2/both/http", "by HTTP", { "X-Object-Meta-A": "1" });

    const byHttp = await send("/r2/both/rpc");
    const byMethod = await client.call("getObject", { key: "both/http" });

    expect(await byHttp.text()).toBe("by method");
    expect(byHttp.headers.get("X-Object-Meta-A")).toBe("%20spaced%20");
    expect(byMethod).toMatchObject({ data: "by HTTP", metadata: { a: "1" } });
  });

  it("takes POST as PUT, and replaces", async () => {
    await stored("/r2/http/post", "one");

    const response = await send("/r2/http/post", { method: "POST", body: "two" });

    expect(response.status).toBe(200);
    expect(response.headers.get("ETag")).toBe(`"${(await response.json<ObjectInfo>()).etag}"`);
    expect(await (await send("/r2/http/post")).text()).toBe("two");
  });

  it("keeps a body in the encoding its header names", async () => {
    const bytes = await gzipped("squeezed".repeat(100));

    await stored("/r2/http/gzip", bytes, { "Content-Encoding": "gzip", "Content-Type": "text/plain" });
    const response = await send("/r2/http/gzip", { headers: { "Accept-Encoding": "gzip" } });
    const object = await env.BUCKET.get("http/gzip");

    expect(response.headers.get("Content-Encoding")).toBe("gzip");
    expect(await response.text()).toBe("squeezed".repeat(100));
    expect(new Uint8Array((await object?.arrayBuffer()) ?? new ArrayBuffer())).toEqual(bytes);
  });

  it.each([
    [undefined, "private, no-cache, no-transform"],
    ["max-age=60", "max-age=60, no-transform"],
    ["public, No-Transform", "public, No-Transform"],
  ])("lets nobody on the way make another body of it: Cache-Control %j is %j", async (given, served) => {
    await stored("/r2/http/as-it-rests", "x", given === undefined ? {} : { "Cache-Control": given });

    const get = await send("/r2/http/as-it-rests");
    const head = await send("/r2/http/as-it-rests", { method: "HEAD" });
    const part = await send("/r2/http/as-it-rests", { headers: { Range: "bytes=0-0" } });
    const unchanged = await send("/r2/http/as-it-rests", { headers: { "If-None-Match": "*" } });

    for (const { headers } of [get, head, part, unchanged]) {
      expect([headers.get("Cache-Control"), headers.get("Vary")]).toEqual([served, null]);
    }
    await Promise.all([get.body?.cancel(), part.body?.cancel()]);
  });

  it("tells a put that creates an object from one that replaces it", async () => {
    const key = "/r2/http/created";
    const create = await put(key, "1");
    const replace = await put(key, "2");
    const tag = create.headers.get("ETag") ?? "";
    const byTag = await put(key, "3", { "If-Match": replace.headers.get("ETag") ?? "" });
    const byOtherTag = await put(key, "4", { "If-None-Match": tag });
    const notSince = { "If-Unmodified-Since": "Wed, 21 Oct 2037 07:28:00 GMT" };
    const byDate = await put(key, "5", notSince);
    await send(key, { method: "DELETE" });
    const again = await send(key, { method: "POST", body: "6", headers: { "If-None-Match": tag } });
    await send(key, { method: "DELETE" });
    const byDateAgain = await put(key, "7", notSince);
    await send(key, { method: "DELETE" });
    const onlyIfNone = await put(key, "8", { "If-None-Match": "*" });

    expect([create.status, replace.status, byTag.status, byOtherTag.status, byDate.status]).toEqual([
      201, 200, 200, 200, 200,
    ]);
    expect([again.status, byDateAgain.status, onlyIfNone.status]).toEqual([201, 201, 201]);
  });

  it("checks a SHA-256 that is given, and tells it", async () => {
    const digest = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";

    const right = await put("/r2/http/digest", "hello", { "Content-Digest": digest });
    const wrong = await failure(await put("/r2/http/digest-wrong", "other", { "Repr-Digest": digest }));
    const unread = await failure(await put("/r2/http/digest-wrong", "hello", { "Repr-Digest": "sha-256=abc" }));
    const two = { "Repr-Digest": digest, "Content-Digest": `sha-256=:${"A".repeat(43)}=:` };
    const contradicting = await failure(await put("/r2/http/digest-wrong", "hello", two));
    const twice = await put("/r2/http/digest-twice", "hello", { "Repr-Digest": digest, "Content-Digest": digest });
    const got = await send("/r2/http/digest");

    expect(await right.json()).toMatchObject({
      sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    });
    expect([wrong.status, wrong.code]).toEqual([400, ErrorCode.InvalidParams]);
    expect([unread.status, unread.code]).toEqual([400, ErrorCode.InvalidParams]);
    expect([contradicting.status, contradicting.code]).toEqual([400, ErrorCode.InvalidParams]);
    expect(twice.status).toBe(201);
    expect(got.headers.get("Repr-Digest")).toBe(digest);
    expect(await keysOf("http/digest-wrong")).toEqual([]);
  });

  it("answers HEAD as GET, without the body", async () => {
    await stored("/r2/http/head", "hello");

    const head = await send("/r2/http/head", { method: "HEAD" });
    const get = await send("/r2/http/head");

    expect(head.status).toBe(200);
    expect(Object.fromEntries(head.headers)).toEqual(Object.fromEntries(get.headers));
    expect(head.headers.get("Content-Length")).toBe("5");
    expect(await head.text()).toBe("");
  });

  it("answers 404 where there is no object", async () => {
    const get = await failure(await send("/r2/http/none"));
    const head = await send("/r2/http/none", { method: "HEAD" });

    expect(get).toEqual({ status: 404, code: ErrorCode.NotFound, data: { what: "object" } });
    expect(head.status).toBe(404);
  });

  it("deletes, whether or not there is an object, but not on a condition", async () => {
    await stored("/r2/http/delete", "x");

    const conditional = await failure(
      await send("/r2/http/delete", { method: "DELETE", headers: { "If-Match": "*" } }),
    );
    const first = await send("/r2/http/delete", { method: "DELETE" });
    const second = await send("/r2/http/delete", { method: "DELETE" });

    expect(conditional.status).toBe(400);
    expect([first.status, second.status]).toEqual([204, 204]);
    expect((await send("/r2/http/delete")).status).toBe(404);
  });

  it("answers 411 to a body of unknown length, 413 to one too large and 405 to other methods", async () => {
    const chunked = await failure(
      await put("/r2/http/length", new Blob(["x"]).stream().pipeThrough(new TransformStream())),
    );
    const patch = await send("/r2/http/length", { method: "PATCH", body: "x" });

    expect([chunked.status, chunked.code]).toEqual([411, ErrorCode.InvalidRequest]);
    expect(patch.headers.get("Allow")).toBe("GET, HEAD, PUT, POST, DELETE");
    expect((await failure(patch)).status).toBe(405);
    expect(await keysOf("http/length")).toEqual([]);
  });

  it("touches nothing without credentials", async () => {
    const response = await exports.default.fetch("http://stream.test/r2/http/secret", { method: "PUT", body: "x" });
    const hostile = await exports.default.fetch("http://stream.test/r2/%00");

    expect((await failure(response)).status).toBe(401);
    expect((await failure(hostile)).status).toBe(401);
    expect(await keysOf("http/secret")).toEqual([]);
  });
});

describe("conditions", () => {
  let etag: string;
  let uploaded: string;
  const before = "Wed, 21 Oct 2015 07:28:00 GMT";
  const later = "Wed, 21 Oct 2037 07:28:00 GMT";

  beforeAll(async () => {
    const info = await stored("/r2/cond/read", "hello", { "Cache-Control": "max-age=5" });
    etag = `"${info.etag}"`;
    uploaded = new Date(info.uploadedAt).toUTCString();
  });

  it.each<[string, () => Record<string, string>, number]>([
    ["If-None-Match with its tag", () => ({ "If-None-Match": etag }), 304],
    ["If-None-Match with its tag, weak", () => ({ "If-None-Match": `W/${etag}` }), 304],
    ["If-None-Match with its tag among others", () => ({ "If-None-Match": `"a,b", ${etag}` }), 304],
    ["If-None-Match *", () => ({ "If-None-Match": "*" }), 304],
    ["If-None-Match with another tag", () => ({ "If-None-Match": '"other"' }), 200],
    ["If-Modified-Since its date", () => ({ "If-Modified-Since": uploaded }), 304],
    ["If-Modified-Since an earlier date", () => ({ "If-Modified-Since": before }), 200],
    ["If-Modified-Since an earlier date in the old format", () => ({ "If-Modified-Since": oldFormat(before) }), 200],
    ["If-Modified-Since a later date in the old format", () => ({ "If-Modified-Since": oldFormat(later) }), 304],
    ["If-Modified-Since what is no date", () => ({ "If-Modified-Since": "yesterday" }), 200],
    ["If-Modified-Since a year only", () => ({ "If-Modified-Since": "2037" }), 200],
    ["If-Modified-Since no date of HTTP", () => ({ "If-Modified-Since": "2037-10-21T07:28:00Z" }), 200],
    ["If-Unmodified-Since no date of HTTP", () => ({ "If-Unmodified-Since": "2015" }), 200],
    ["another tag, whatever the date", () => ({ "If-None-Match": '"other"', "If-Modified-Since": later }), 200],
    ["If-Match with its tag", () => ({ "If-Match": etag }), 200],
    ["If-Match *", () => ({ "If-Match": "*" }), 200],
    ["If-Match with its tag, weak", () => ({ "If-Match": `W/${etag}` }), 412],
    ["If-Match with another tag", () => ({ "If-Match": '"other"' }), 412],
    ["If-Unmodified-Since its date", () => ({ "If-Unmodified-Since": uploaded }), 200],
    ["If-Unmodified-Since an earlier date", () => ({ "If-Unmodified-Since": before }), 412],
    ["its tag, whatever the date", () => ({ "If-Match": etag, "If-Unmodified-Since": before }), 200],
    ["an unmet If-Match before a met 304", () => ({ "If-Match": '"other"', "If-None-Match": etag }), 412],
  ])("reads with %s", async (_what, headers, status) => {
    const get = await send("/r2/cond/read", { headers: headers() });
    const head = await send("/r2/cond/read", { method: "HEAD", headers: headers() });
    const range = await send("/r2/cond/read", { headers: { ...headers(), Range: "bytes=0-0" } });

    expect([get.status, head.status]).toEqual([status, status]);
    expect(range.status).toBe(status === 200 ? 206 : status);
    expect(get.headers.get("ETag")).toBe(etag);
    if (status === 304) {
      expect(await get.text()).toBe("");
      expect(get.headers.get("Cache-Control")).toBe("max-age=5, no-transform");
      expect(get.headers.has("Content-Type")).toBe(false);
    }
  });

  it("creates only if absent", async () => {
    const first = await put("/r2/cond/create", "1", { "If-None-Match": "*" });
    const second = await put("/r2/cond/create", "2", { "If-None-Match": "*" });

    const { etag: actual } = await first.json<ObjectInfo>();
    expect(first.status).toBe(201);
    expect(await failure(second)).toEqual({
      status: 412,
      code: ErrorCode.Conflict,
      data: { exists: true, etag: actual },
    });
    expect(await (await send("/r2/cond/create")).text()).toBe("1");
  });

  it("replaces only what is there, and unchanged", async () => {
    const absent = await failure(await put("/r2/cond/replace", "0", { "If-Match": "*" }));
    const { etag: first } = await stored("/r2/cond/replace", "1");
    const replaced = await put("/r2/cond/replace", "2", { "If-Match": `"other", "${first}"` });
    const dated = await put("/r2/cond/replace", "2", {
      "If-Unmodified-Since": new Date((await env.BUCKET.head("cond/replace"))?.uploaded ?? 0).toUTCString(),
    });
    const far = await put("/r2/cond/replace", "2", { "If-Unmodified-Since": "Fri, 31 Dec 9999 23:59:59 GMT" });
    const stale = await failure(await put("/r2/cond/replace", "3", { "If-Match": `"${first}"` }));
    const old = await failure(await put("/r2/cond/replace", "3", { "If-Unmodified-Since": before }));
    const older = { "If-Unmodified-Since": "Sun, 31 Dec 1600 23:59:59 GMT" };
    const farOld = await failure(await put("/r2/cond/replace", "3", older));

    expect([absent.status, absent.data]).toEqual([412, { exists: false }]);
    expect(replaced.status).toBe(200);
    expect(dated.status).toBe(200);
    expect(stale.status).toBe(412);
    expect(far.status).toBe(200);
    expect([old.status, farOld.status]).toEqual([412, 412]);
    expect(await (await send("/r2/cond/replace")).text()).toBe("2");
  });

  it("lets exactly one of many puts win for each tag", async () => {
    let { etag: current } = await stored("/r2/cond/race", "start");

    for (let round = 0; round < 5; round += 1) {
      const expected = current;
      const responses = await Promise.all(
        Array.from({ length: 10 }, (_, n) => put("/r2/cond/race", `${round}-${n}`, { "If-Match": `"${expected}"` })),
      );

      expect(responses.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
        200,
        ...Array.from({ length: 9 }, () => 412),
      ]);
      current = (await env.BUCKET.head("cond/race"))?.etag ?? "";
      expect(current).not.toBe(expected);
    }
  });
});

describe("ranges", () => {
  let etag: string;

  beforeAll(async () => {
    ({ etag } = await stored("/r2/range/ten", "0123456789"));
    await stored("/r2/range/nothing", "");
  });

  it.each([
    ["bytes=0-3", "0123", "bytes 0-3/10"],
    ["bytes=4-4", "4", "bytes 4-4/10"],
    ["bytes=7-", "789", "bytes 7-9/10"],
    ["bytes=8-99", "89", "bytes 8-9/10"],
    ["bytes=-2", "89", "bytes 8-9/10"],
    ["bytes=-99", "0123456789", "bytes 0-9/10"],
  ])("answers %s with 206", async (range, body, contentRange) => {
    const response = await send("/r2/range/ten", { headers: { Range: range } });

    expect(response.status).toBe(206);
    expect(response.headers.get("Content-Range")).toBe(contentRange);
    expect(response.headers.get("Content-Length")).toBe(String(body.length));
    expect(await response.text()).toBe(body);
  });

  it.each([
    ["ten", "bytes=10-", 10],
    ["ten", "bytes=50-60", 10],
    ["ten", "bytes=-0", 10],
    ["nothing", "bytes=0-", 0],
    ["nothing", "bytes=-0", 0],
  ])("answers 416 to %s %s", async (name, range, size) => {
    const response = await send(`/r2/range/${name}`, { headers: { Range: range } });

    expect(response.headers.get("Content-Range")).toBe(`bytes */${size}`);
    expect(await failure(response)).toMatchObject({ status: 416, code: ErrorCode.InvalidParams });
  });

  it.each(["bytes=0-1,3-4", "lines=0-1", "bytes=5-2", "bytes=a-b", "bytes=-", "bytes=0-1x", ""])(
    "ignores %j, which is not one range",
    async (range) => {
      const response = await send("/r2/range/ten", { headers: { Range: range } });

      expect(response.status).toBe(200);
      expect(await response.text()).toBe("0123456789");
    },
  );

  it("answers the last bytes of an empty object with all of it, which is nothing", async () => {
    const response = await send("/r2/range/nothing", { headers: { Range: "bytes=-5" } });
    const unchanged = await send("/r2/range/nothing", { headers: { Range: "bytes=-5", "If-None-Match": "*" } });
    const other = await send("/r2/range/nothing", { headers: { Range: "bytes=-5", "If-Match": '"other"' } });

    expect([response.status, await response.text()]).toEqual([200, ""]);
    expect(response.headers.get("Content-Range")).toBeNull();
    expect([unchanged.status, other.status]).toEqual([304, 412]);
  });

  it.each([
    [undefined, 206],
    ["gzip", 206],
    ["gzip, deflate, br", 206],
    ["", 206],
    ["deflate;q=0.5, gzip", 206],
    ["identity", 200],
    ["identity;q=1, *;q=0", 200],
    ["br, gzip", 200],
    ["gzip;q=0.5, br", 200],
    ["gzip;q=0", 200],
    ["*", 200],
  ])("answers a range of what rests encoded where Accept-Encoding is %j with %i", async (accepted, status) => {
    const bytes = await gzipped("squeezed".repeat(100));
    await stored("/r2/range/gzip", bytes, { "Content-Encoding": "gzip" });

    const headers = { Range: "bytes=0-3", ...(accepted === undefined ? {} : { "Accept-Encoding": accepted }) };
    const response = await send("/r2/range/gzip", { headers });
    const beyond = await send("/r2/range/gzip", { headers: { ...headers, Range: "bytes=9999-" } });

    expect([response.status, beyond.status]).toEqual([status, status === 206 ? 416 : 200]);
    expect(response.headers.get("Content-Encoding")).toBe("gzip");
    expect(response.headers.get("Vary")).toBe("Accept-Encoding");
    expect(response.headers.get("Content-Length")).toBe(String(status === 206 ? 4 : bytes.byteLength));
    await Promise.all([response.body?.cancel(), beyond.body?.cancel()]);
  });

  it("answers a range only of the version that If-Range names", async () => {
    const same = await send("/r2/range/ten", { headers: { Range: "bytes=0-3", "If-Range": `"${etag}"` } });
    const other = await send("/r2/range/ten", { headers: { Range: "bytes=0-3", "If-Range": '"other"' } });
    const weak = await send("/r2/range/ten", { headers: { Range: "bytes=0-3", "If-Range": `W/"${etag}"` } });

    expect([same.status, await same.text()]).toEqual([206, "0123"]);
    expect([other.status, await other.text()]).toEqual([200, "0123456789"]);
    expect(weak.status).toBe(200);
  });

  it.each<[string, Record<string, string>, number]>([
    ["an unmet If-None-Match", { "If-None-Match": "*" }, 304],
    ["If-Modified-Since a later date", { "If-Modified-Since": "Wed, 21 Oct 2037 07:28:00 GMT" }, 304],
    ["If-Unmodified-Since an earlier date", { "If-Unmodified-Since": "Wed, 21 Oct 2015 07:28:00 GMT" }, 412],
    ["an unmet If-Match", { "If-Match": '"other"' }, 412],
    ["an unmet If-Match before If-Range", { "If-Match": '"other"', "If-Range": '"other"' }, 412],
    ["If-Range with another tag", { "If-Range": '"other"' }, 200],
    ["If-Range with a date", { "If-Range": "Wed, 21 Oct 2015 07:28:00 GMT" }, 200],
  ])("answers %s before it looks at a range the object lacks", async (_what, headers, status) => {
    for (const range of ["bytes=10-", "bytes=-0"]) {
      const response = await send("/r2/range/ten", { headers: { ...headers, Range: range } });

      expect(response.status).toBe(status);
      expect(await response.text()).toMatch(status === 200 ? /^0123456789$/ : status === 304 ? /^$/ : /"error"/);
    }
  });

  it("answers who resumes what was replaced by something shorter with the whole of it", async () => {
    const { etag: old } = await stored("/r2/range/resumed", "0123456789");
    await stored("/r2/range/resumed", "new");

    const response = await send("/r2/range/resumed", { headers: { Range: "bytes=5-", "If-Range": `"${old}"` } });

    expect([response.status, await response.text()]).toEqual([200, "new"]);
  });

  it("does not join parts by a date, which two versions may share", async () => {
    const lastModified = (await send("/r2/range/ten")).headers.get("Last-Modified") ?? "";

    const response = await send("/r2/range/ten", { headers: { Range: "bytes=0-3", "If-Range": lastModified } });

    expect([response.status, await response.text()]).toEqual([200, "0123456789"]);
  });

  it("does not take a range of a put", async () => {
    const response = await put("/r2/range/put", "x", { "Content-Range": "bytes 0-0/2" });

    expect((await failure(response)).status).toBe(400);
    expect(await keysOf("range/put")).toEqual([]);
  });
});

describe("what a browser may run", () => {
  it.each([
    ["text/html", "attachment"],
    ["TEXT/HTML; charset=utf-8", "attachment"],
    ["image/svg+xml", "attachment"],
    ["application/xml", "attachment"],
    ["application/xhtml+xml", "attachment"],
    ["text/javascript", "attachment"],
    ["application/pdf", "attachment"],
    ["multipart/related", "attachment"],
    ["text/plain", null],
    ["application/json", null],
    ["image/png", null],
    ["video/mp4", null],
    ['text/plain; charset="utf-8" ;format=flowed', null],
    // What reads a list of types takes the last one.
    ['text/plain; a=", text/html"', "attachment"],
  ])("serves %s with the disposition %s", async (type, expected) => {
    await stored("/r2/run/it", "<script>alert(1)</script>", { "Content-Type": type });

    const response = await send("/r2/run/it");

    expect(response.headers.get("Content-Type")).toBe(type);
    expect(response.headers.get("Content-Disposition")).toBe(expected);
    expect(response.headers.get("X-Content-Type-Options")).toBe("nosniff");
  });

  it.each([
    "text/plain; charset=utf-8, text/html",
    "text/plain, text/html",
    "text/plain; charset",
    'text/plain; charset="utf-8',
    "text/plain;;",
  ])("is what came from elsewhere as %s, which is no type", async (type) => {
    await env.BUCKET.put("run/elsewhere", "<script>", { httpMetadata: { contentType: type } });

    const response = await send("/r2/run/elsewhere");

    expect(response.headers.get("Content-Disposition")).toBe("attachment");
  });

  it("is for download whatever disposition was put, under the name that was", async () => {
    await stored("/r2/run/inline", "<p>", {
      "Content-Type": "text/html",
      "Content-Disposition": 'inline; filename="page.html"',
    });

    const response = await send("/r2/run/inline");

    expect(response.headers.get("Content-Disposition")).toBe('attachment; filename="page.html"');
  });
});

describe("the listing", () => {
  beforeAll(async () => {
    for (const name of ["a", "b/1", "b/2", "c"]) {
      await stored(`/r2/listing/${name}`, name, { "X-Object-Meta-Name": "it" });
    }
  });

  it("goes by prefix, delimiter, limit and cursor", async () => {
    const whole = await (await send("/r2?prefix=listing%2F")).json<ListObjectsResult>();
    const folders = await (await send("/r2?prefix=listing/&delimiter=/")).json<ListObjectsResult>();
    const first = await (await send("/r2?prefix=listing/&limit=3")).json<ListObjectsResult>();
    const rest = await (
      await send(`/r2?prefix=listing/&cursor=${encodeURIComponent(first.cursor ?? "")}`)
    ).json<ListObjectsResult>();

    expect(whole.objects.map(({ key }) => key)).toEqual(["listing/a", "listing/b/1", "listing/b/2", "listing/c"]);
    expect(whole.objects[0]).toMatchObject({ size: 1, metadata: { name: "it" } });
    expect(folders.prefixes).toEqual(["listing/b/"]);
    expect(folders.objects.map(({ key }) => key)).toEqual(["listing/a", "listing/c"]);
    expect([...first.objects, ...rest.objects]).toEqual(whole.objects);
    expect(rest).not.toHaveProperty("cursor");
  });

  it.each([
    ["?limit=0", "listObjects: params.limit must be at least 1, not 0"],
    ["?limit=-1", "listObjects: params.limit must be at least 1, not -1"],
    ["?limit=1.5", "listObjects: params.limit must be a whole number, not 1.5"],
    ["?limit=9999999999", "listObjects: params.limit must be at most 1000, not 9999999999"],
    ["?limit=x", 'listObjects: params.limit must be a number, not "x"'],
    ["?limit=1001", "listObjects: params.limit must be at most 1000, not 1001"],
    ["?colour=blue", "listObjects: params.colour is not known; known are prefix, delimiter, cursor, limit"],
    ["?limits=1", "listObjects: params.limits is not known; did you mean limit?"],
    ["?prefix=a&prefix=b", "listObjects: params.prefix must be given once"],
    ["?delimiter=", "listObjects: params.delimiter must be at least 1 character, not 0"],
    ["?cursor=x", "cursor must be the cursor of a page of the same prefix and delimiter"],
  ])("answers 400 to %s, in words as a call is", async (query, message) => {
    const response = await send(`/r2${query}`);

    expect(await messageOf(response.clone())).toBe(message);
    expect(await failure(response)).toMatchObject({ status: 400, code: ErrorCode.InvalidParams });
  });

  it("is for GET only", async () => {
    expect((await failure(await send("/r2", { method: "PUT", body: "x" }))).status).toBe(405);
  });
});

describe("hostile requests", () => {
  it.each([
    ["%00"],
    ["a%0D%0Ab"],
    ["a%0d%0aX-Evil:%201"],
    ["%7F"],
    ["%C2%85"],
    [""],
    ["k".repeat(1_025)],
    ["%C3%A9".repeat(513)],
    ["a//b"],
    ["/a"],
    ["a/"],
    ["a%2F%2Fb"],
    ["..%2Fx"],
    ["a%2F..%2Fb"],
    ["%2e%2e%2fx"],
    ["%"],
    ["%zz"],
    ["%ff"],
    ["%ED%A0%80"],
    ["a?b"],
  ])("refuses the key %j with 400 and leaves the bucket as it is", async (key) => {
    const before = await keysOf();

    for (const method of ["GET", "PUT", "POST", "DELETE"]) {
      const body = method === "PUT" || method === "POST" ? { body: "hostile" } : {};
      const response = await send(`/r2/${key}`, { method, ...body });
      expect(await failure(response)).toMatchObject({ status: 400, code: ErrorCode.InvalidParams });
    }
    expect((await send(`/r2/${key}`, { method: "HEAD" })).status).toBe(400);
    expect(await keysOf()).toEqual(before);
  });

  it("decodes a key once", async () => {
    const info = await stored("/r2/twice/%252e%252e%252Fx", "literal");

    expect(info.key).toBe("twice/%2e%2e%2Fx");
    expect(await keysOf("twice/")).toEqual(["twice/%2e%2e%2Fx"]);
  });

  it.each([
    ["Content-Type", "html"],
    ["Content-Type", "text/html; é"],
    ["Content-Type", "text/plain; charset=utf-8, text/html"],
    ["Content-Type", "text/plain; charset=utf-8; , text/html"],
    ["Content-Type", 'text/plain; a="b", text/html'],
    ["Content-Type", 'text/plain; a="b'],
    ["Content-Type", "text/plain; charset"],
    ["Content-Type", `text/${"x".repeat(300)}`],
    ["Content-Disposition", "attachment; filename=é.txt"],
    ["Cache-Control", "x".repeat(2_000)],
    ["Expires", "soon"],
    ["Expires", "0"],
    ["Expires", "Fri, 31 Dec 9999 23:59:59 GMT"],
    ["Expires", "Mon, 01 Jan 2189 00:00:00 GMT"],
    ["Expires", "Sat, 31 Dec 1600 23:59:59 GMT"],
    ["Expires", "+275760-09-13T00:00:00.000Z"],
    ["Expires", "Tue, 31 Feb 2026 00:00:00 GMT"],
    ["X-Object-Meta-A.B", "a name with a dot"],
    ["X-Object-Meta-", "no name"],
    ["X-Object-Meta-constructor", "lost in a record"],
    ["X-Object-Meta-__proto__", "lost in a record"],
    ["X-Object-Meta-A", "%0d%0aX-Evil: 1"],
    ["X-Object-Meta-A", "%"],
    ["X-Object-Meta-A", "x".repeat(5_000)],
    ["If-Match", "unquoted"],
    ["If-Match", '"open'],
    ["If-None-Match", '"a" "b"'],
    ["Content-Digest", "md5=:AAAA:"],
    ["Content-Digest", `sha-256=:${"A".repeat(43)}=:, sha-256=:${"B".repeat(42)}A=:`],
  ])("refuses a put with %s: %s and leaves the bucket as it is", async (name, value) => {
    const response = await put("/r2/hostile/header", "x", { [name]: value });

    expect(await failure(response)).toMatchObject({ status: 400, code: ErrorCode.InvalidParams });
    expect(await keysOf("hostile/")).toEqual([]);
  });

  it.each([
    ["Content-Type", "html", 'must be a media type like text/plain or text/plain; charset=utf-8, not "html"'],
    ["Content-Type", `text/${"x".repeat(300)}`, "must be at most 255 characters, not 305"],
    ["x-object-meta-a.b", "1", "must have a name of 1 to 64 of [a-z0-9_-]"],
    ["x-object-meta-a", "%0d", "must have no control characters"],
    ["Expires", "soon", "must be a date as HTTP has it, from 1970 to 2188"],
    ["If-Match", "unquoted", 'must be * or a list of etags in quotes, like "abc"'],
    ["Content-Range", "bytes 0-0/1", "must be left out: an object is put as a whole"],
  ])("says of a put with %s: %s what is wrong with which header", async (name, value, reason) => {
    expect(await messageOf(await put("/r2/hostile/header", "x", { [name]: value }))).toBe(`${name} ${reason}`);
  });

  it.each([
    ["X-Object-Meta-A", "1", "2"],
    ["X-Object-Meta-A", "", ""],
    ["X-Object-Meta-A", "1, 2", undefined],
    ["Content-Disposition", "attachment; filename=a.txt", "inline"],
    ["Content-Disposition", 'attachment; filename="a, b.txt"', "inline"],
  ])("refuses a put with %s twice: %j and %j", async (name, first, second) => {
    const headers = new Headers({ Authorization: `Bearer ${env.API_KEY}` });
    headers.append(name, first);
    if (second !== undefined) {
      headers.append(name, second);
    }
    const response = await exports.default.fetch("http://stream.test/r2/hostile/twice", {
      method: "PUT",
      headers,
      body: "x",
    });

    expect(await failure(response)).toMatchObject({ status: 400, code: ErrorCode.InvalidParams });
    expect(await keysOf("hostile/")).toEqual([]);
  });

  it("takes a comma in a value that is no list", async () => {
    await stored("/r2/http/comma", "x", {
      "X-Object-Meta-A": "1,2 3%2C%204",
      "Content-Disposition": 'attachment; filename="a, \\"b.txt"',
    });

    const { headers } = await send("/r2/http/comma", { method: "HEAD" });

    expect(headers.get("X-Object-Meta-A")).toBe("1,2%203,%204");
    expect(headers.get("Content-Disposition")).toBe('attachment; filename="a, \\"b.txt"');
  });

  it("serves an object whose metadata came from elsewhere and fits no header", async () => {
    await env.BUCKET.put("elsewhere", "x", {
      httpMetadata: { contentType: "text/plain\r\nX-Evil: 1", contentLanguage: "é\n" },
      customMetadata: { "no name": "x", fine: "a\r\nb" },
    });

    const response = await send("/r2/elsewhere");

    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe("application/octet-stream");
    expect(response.headers.has("X-Evil")).toBe(false);
    expect(response.headers.get("X-Object-Meta-Fine")).toBe("a%0D%0Ab");
  });
});

it("says what to use instead of a POST /rpc larger than a frame", async () => {
  const response = await send("/rpc", { method: "POST", body: "x".repeat(LIMITS.frameBytes + 1) });

  expect(await failure(response)).toEqual({
    status: 413,
    code: ErrorCode.TooLarge,
    data: { what: "frameBytes", limit: LIMITS.frameBytes, use: ALTERNATIVES.frame },
  });
});
