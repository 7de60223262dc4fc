import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

import { ErrorCode, ALTERNATIVES, LIMITS } from "../../rpc/index.ts";
import type { ErrorData, MethodName, MethodParams, MethodResult, ParamsIssue } from "../../rpc/index.ts";
import { withBodyInMemory } from "../../src/objects/body-budget.ts";
import { CallError, connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";

/** What both ways of calling have in common. */
type Caller = {
  call<M extends MethodName>(method: M, params: MethodParams<M>): Promise<MethodResult<M>>;
  callError(method: string, params: unknown): Promise<CallError>;
};

/** Calls over POST /rpc. */
const overHttp: Caller = {
  async call(method, params) {
    const { result, error } = await post(method, params);
    if (error !== undefined) {
      throw new CallError(error);
    }
    return result as never;
  },
  async callError(method, params) {
    const { result, error } = await post(method, params);
    if (error === undefined) {
      throw new Error(`${method} succeeded: ${JSON.stringify(result)}`);
    }
    return new CallError(error);
  },
};

type Answer = { result?: unknown; error?: { code: number; message: string; data?: ErrorData } };

async function post(method: string, params: unknown): Promise<Answer> {
  const response = await exports.default.fetch("http://stream.test/rpc", {
    method: "POST",
    headers: { Authorization: `Bearer ${env.API_KEY}` },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  return response.json();
}

async function sha256(body: string | Uint8Array): Promise<string> {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The paths of the params that did not fit. */
function issuePaths({ data }: CallError): string[] {
  const issues = (data?.["issues"] ?? []) as ParamsIssue[];
  return issues.map(({ path }) => path);
}

async function keysOf(prefix: string): Promise<string[]> {
  const { objects } = await env.BUCKET.list({ prefix });
  return objects.map(({ key }) => key);
}

const TRANSPORTS: [string, () => Promise<Caller>][] = [
  ["a WebSocket", () => connect()],
  ["POST /rpc", async () => overHttp],
];

describe.each(TRANSPORTS)("on %s", (transport, open) => {
  const folder = transport.replaceAll(/\W/g, "");

  it("reads an object as it was put, with all that is known of it", async () => {
    const caller = await open();
    const key = `${folder}/whole é.txt`;
    const digest = await sha256("héllo");

    const put = await caller.call("putObject", {
      key,
      data: "héllo",
      contentType: "text/plain; charset=utf-8",
      metadata: { origin: "Zürich", empty: "" },
      sha256: digest,
    });
    const got = await caller.call("getObject", { key });
    const head = await caller.call("headObject", { key });

    expect(put).toEqual({
      key,
      size: 6,
      etag: expect.stringMatching(/^[0-9a-f]{32}$/),
      uploadedAt: expect.any(Number),
      contentType: "text/plain; charset=utf-8",
      metadata: { origin: "Zürich", empty: "" },
      sha256: digest,
    });
    expect(head).toEqual(put);
    expect(got).toEqual({ ...put, data: "héllo", encoding: "utf8" });
  });

  it("carries bytes that are no text in base64, and a byte order mark as it is", async () => {
    const caller = await open();
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const data = btoa(String.fromCharCode(...bytes));

    const put = await caller.call("putObject", { key: `${folder}/bytes`, data, encoding: "base64" });
    const got = await caller.call("getObject", { key: `${folder}/bytes` });
    await caller.call("putObject", { key: `${folder}/bom`, data: "\uFEFFx" });
    const marked = await caller.call("getObject", { key: `${folder}/bom` });
    const asked = await caller.call("getObject", { key: `${folder}/bom`, encoding: "base64" });
    const refused = await caller.callError("getObject", { key: `${folder}/bytes`, encoding: "utf8" });

    expect(put).toMatchObject({ size: 256, contentType: "application/octet-stream", metadata: {} });
    expect(got).toMatchObject({ data, encoding: "base64" });
    expect(marked).toMatchObject({ data: "\uFEFFx", encoding: "utf8" });
    expect(asked).toMatchObject({ data: "77u/eA==", encoding: "base64" });
    expect(refused.code).toBe(ErrorCode.InvalidParams);
    expect(issuePaths(refused)).toEqual(["encoding"]);
  });

  it("reads ranges, cut at the end of the object", async () => {
    const caller = await open();
    const key = `${folder}/ranges`;
    await caller.call("putObject", { key, data: "0123456789" });
    await caller.call("putObject", { key: `${folder}/nothing`, data: "" });

    const middle = await caller.call("getObject", { key, range: { offset: 2, length: 3 } });
    const end = await caller.call("getObject", { key, range: { offset: 8, length: 100 } });
    const beyond = await caller.callError("getObject", { key, range: { offset: 10, length: 1 } });
    const ofNothing = await caller.callError("getObject", {
      key: `${folder}/nothing`,
      range: { offset: 0, length: 1 },
    });

    expect(middle).toMatchObject({ data: "234", range: { offset: 2, length: 3 }, size: 10 });
    expect(end).toMatchObject({ data: "89", range: { offset: 8, length: 2 }, size: 10 });
    expect(beyond.code).toBe(ErrorCode.InvalidParams);
    expect(issuePaths(beyond)).toEqual(["range.offset"]);
    expect(issuePaths(ofNothing)).toEqual(["range.offset"]);
  });

  it("creates only if absent and replaces only if unchanged", async () => {
    const caller = await open();
    const key = `${folder}/conditional`;

    const none = await caller.callError("putObject", { key, data: "0", ifMatch: "*" });
    const first = await caller.call("putObject", { key, data: "1", ifNoneMatch: "*" });
    const again = await caller.callError("putObject", { key, data: "2", ifNoneMatch: "*" });
    const second = await caller.call("putObject", { key, data: "2", ifMatch: first.etag });
    const stale = await caller.callError("putObject", { key, data: "3", ifMatch: first.etag });
    const same = await caller.callError("putObject", { key, data: "3", ifNoneMatch: second.etag });

    expect(none.code).toBe(ErrorCode.Conflict);
    expect(none.data).toEqual({ exists: false });
    expect(again.code).toBe(ErrorCode.Conflict);
    expect(again.data).toEqual({ exists: true, etag: first.etag });
    expect(stale.data).toEqual({ exists: true, etag: second.etag });
    expect(same.data).toEqual({ exists: true, etag: second.etag });
    expect(await caller.call("getObject", { key })).toMatchObject({ data: "2" });
  });

  it("lets exactly one of many compare-and-swap puts win for each etag", async () => {
    const caller = await open();
    const key = `${folder}/race`;
    let { etag } = await caller.call("putObject", { key, data: "start" });

    for (let round = 0; round < 5; round += 1) {
      const expected = etag;
      const puts = await Promise.allSettled(
        Array.from({ length: 10 }, (_, n) =>
          caller.call("putObject", { key, data: `${round}-${n}`, ifMatch: expected }),
        ),
      );

      const won = puts.filter((put) => put.status === "fulfilled");
      const lost = puts.filter((put) => put.status === "rejected").map((put) => put.reason as CallError);
      expect(won).toHaveLength(1);
      etag = won[0]?.value.etag ?? "";
      expect(lost.map(({ code, data }) => [code, data?.["etag"]])).toEqual(
        Array.from({ length: 9 }, () => [ErrorCode.Conflict, etag]),
      );
      expect(await caller.call("headObject", { key })).toMatchObject({ etag });
    }
  });

  it("stores nothing when the SHA-256 is another", async () => {
    const caller = await open();
    const key = `${folder}/digest`;

    const put = await caller.callError("putObject", { key, data: "x", sha256: await sha256("y") });
    const head = await caller.callError("headObject", { key });

    expect(put.code).toBe(ErrorCode.InvalidParams);
    expect(issuePaths(put)).toEqual(["sha256"]);
    expect(head.code).toBe(ErrorCode.NotFound);
    expect(head.data).toEqual({ what: "object" });
  });

  it("deletes one or many, and one that is not there", async () => {
    const caller = await open();
    const keys = ["a", "b", "c"].map((name) => `${folder}/delete/${name}`);
    for (const key of keys) {
      await caller.call("putObject", { key, data: key });
    }

    expect(await caller.call("deleteObject", { key: `${folder}/delete/a` })).toEqual({});
    expect(await keysOf(`${folder}/delete/`)).toEqual(keys.slice(1));
    expect(await caller.call("deleteObject", { keys })).toEqual({});
    expect(await keysOf(`${folder}/delete/`)).toEqual([]);
    expect(await caller.call("deleteObject", { key: `${folder}/delete/a` })).toEqual({});
  });

  it("lists by prefix, folder and page, with metadata", async () => {
    const caller = await open();
    const list = `${folder}/list/`;
    for (const name of ["a", "b/1", "b/2", "c", "d"]) {
      await caller.call("putObject", { key: list + name, data: name, contentType: "text/plain", metadata: { name } });
    }

    const all = await caller.call("listObjects", { prefix: list });
    const folders = await caller.call("listObjects", { prefix: list, delimiter: "/" });
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await caller.call("listObjects", {
        prefix: list,
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      });
      pages.push(page.objects.map(({ key }) => key.slice(list.length)));
      ({ cursor } = page);
    } while (cursor !== undefined);

    expect(
      all.objects.map(({ key, contentType, metadata }) => [key.slice(list.length), contentType, metadata]),
    ).toEqual(["a", "b/1", "b/2", "c", "d"].map((name) => [name, "text/plain", { name }]));
    expect(all).not.toHaveProperty("cursor");
    expect(folders.prefixes).toEqual([`${list}b/`]);
    expect(folders.objects.map(({ key }) => key.slice(list.length))).toEqual(["a", "c", "d"]);
    expect(pages).toEqual([["a", "b/1"], ["b/2", "c"], ["d"]]);
  });

  it("makes one object of parts that came in any order, none of it seen before", async () => {
    const caller = await open();
    const key = `${folder}/upload`;
    const whole = "part one, part two, part three";

    const { uploadId, expiresAt } = await caller.call("createUpload", {
      key,
      contentType: "text/plain",
      metadata: { kind: "upload" },
    });
    const three = await caller.call("uploadPart", { key, uploadId, partNumber: 30, data: "part three" });
    const wrong = await caller.call("uploadPart", { key, uploadId, partNumber: 1, data: "something else" });
    const one = await caller.call("uploadPart", { key, uploadId, partNumber: 1, data: "part one, " });
    const two = await caller.call("uploadPart", {
      key,
      uploadId,
      partNumber: 2,
      data: btoa("part two, "),
      encoding: "base64",
      sha256: await sha256("part two, "),
    });
    const before = await caller.callError("headObject", { key });
    const stale = await caller.callError("completeUpload", { key, uploadId, parts: [wrong, two, three] });
    const lacking = await caller.callError("completeUpload", {
      key,
      uploadId,
      parts: [one, { ...two, partNumber: 4 }],
    });
    const disordered = await caller.callError("completeUpload", { key, uploadId, parts: [two, one] });
    const completed = await caller.call("completeUpload", {
      key,
      uploadId,
      parts: [one, two, three],
      sha256: await sha256(whole),
      ifNoneMatch: "*",
    });
    const after = await caller.callError("uploadPart", { key, uploadId, partNumber: 4, data: "late" });

    expect(expiresAt).toBeGreaterThan(Date.now());
    expect(before.code).toBe(ErrorCode.NotFound);
    expect(one).toEqual({ partNumber: 1, etag: await sha256("part one, ") });
    expect(stale.code).toBe(ErrorCode.Conflict);
    expect(stale.data).toEqual({ what: "part", partNumber: 1, etag: one.etag });
    expect(lacking.code).toBe(ErrorCode.NotFound);
    expect(lacking.data).toEqual({ what: "part", partNumber: 4 });
    expect(disordered.code).toBe(ErrorCode.InvalidParams);
    expect(completed).toMatchObject({
      key,
      size: whole.length,
      contentType: "text/plain",
      metadata: { kind: "upload" },
    });
    expect(await caller.call("getObject", { key })).toEqual({ ...completed, data: whole, encoding: "utf8" });
    expect(after.code).toBe(ErrorCode.NotFound);
    expect(after.data).toEqual({ what: "upload" });
  });

  it("keeps an upload whose condition or digest did not hold, until it is completed or aborted", async () => {
    const caller = await open();
    const key = `${folder}/kept`;
    const { etag } = await caller.call("putObject", { key, data: "there already" });
    const { uploadId } = await caller.call("createUpload", { key });
    const part = await caller.call("uploadPart", { key, uploadId, partNumber: 1, data: "new" });

    const complete = { key, uploadId, parts: [part] };
    const absent = await caller.callError("completeUpload", { ...complete, ifNoneMatch: "*" });
    const digest = await caller.callError("completeUpload", { ...complete, sha256: await sha256("old") });
    const ofAnother = await caller.callError("abortUpload", { key: `${folder}/other`, uploadId });
    const completed = await caller.call("completeUpload", { ...complete, ifMatch: etag });
    const second = await caller.call("createUpload", { key });
    const aborted = await caller.call("abortUpload", { key, uploadId: second.uploadId });
    const again = await caller.callError("abortUpload", { key, uploadId: second.uploadId });

    expect(absent.code).toBe(ErrorCode.Conflict);
    expect(absent.data).toEqual({ exists: true, etag });
    expect(digest.code).toBe(ErrorCode.InvalidParams);
    expect(ofAnother.code).toBe(ErrorCode.NotFound);
    expect(completed).toMatchObject({ key, size: 3 });
    expect(aborted).toEqual({});
    expect(again.code).toBe(ErrorCode.NotFound);
    expect(await caller.call("getObject", { key })).toMatchObject({ data: "new" });
  });

  it("says of a body too large for a call what to use instead", async () => {
    const caller = await open();
    const key = `${folder}/large`;
    const most = await caller.call("putObject", { key, data: "x".repeat(LIMITS.objectBodyBytes) });
    await env.BUCKET.put(`${key}/quotes`, '"'.repeat(LIMITS.objectBodyBytes));
    await env.BUCKET.put(`${key}/bytes`, new Uint8Array(LIMITS.objectBodyBytes).fill(255));
    await env.BUCKET.put(`${key}/more`, new Uint8Array(LIMITS.objectBodyBytes + 1).fill(120));

    const put = await caller.callError("putObject", { key, data: "x".repeat(LIMITS.objectBodyBytes + 1) });
    const got = await caller.callError("getObject", { key: `${key}/more` });
    const range = await caller.callError("getObject", {
      key: `${key}/more`,
      range: { offset: 0, length: LIMITS.objectBodyBytes + 1 },
    });
    const escaped = await caller.callError("getObject", { key: `${key}/quotes`, encoding: "utf8" });
    const inBase64 = await caller.call("getObject", { key: `${key}/quotes` });
    const bytes = await caller.call("getObject", { key: `${key}/bytes` });

    const size = LIMITS.objectBodyBytes + 1;
    const tooLarge = { what: "objectBodyBytes", limit: LIMITS.objectBodyBytes, size };
    expect(most.size).toBe(LIMITS.objectBodyBytes);
    expect([put.code, put.data]).toEqual([ErrorCode.TooLarge, { ...tooLarge, use: ALTERNATIVES.putObject }]);
    expect([got.code, got.data]).toEqual([ErrorCode.TooLarge, { ...tooLarge, use: ALTERNATIVES.getObject }]);
    expect([range.code, range.data]).toEqual([ErrorCode.TooLarge, { ...tooLarge, use: ALTERNATIVES.getObject }]);
    expect([escaped.code, escaped.data]).toEqual([
      ErrorCode.TooLarge,
      { what: "frameBytes", limit: LIMITS.frameBytes, size: expect.any(Number), use: ALTERNATIVES.getObjectAsText },
    ]);
    expect(escaped.data?.["size"]).toBeGreaterThan(LIMITS.frameBytes);
    expect(inBase64.encoding).toBe("base64");
    expect(atob(inBase64.data)).toBe('"'.repeat(LIMITS.objectBodyBytes));
    expect(JSON.stringify(bytes).length).toBeLessThan(LIMITS.frameBytes);
    expect(bytes.data).toHaveLength((LIMITS.objectBodyBytes / 3) * 4);
  });

  it.each(["\0", "\n", '"', "\\", "\u007f", "é", "\u2028"])(
    "reads text of %j only, whatever JSON makes of it, by range and whole",
    async (character) => {
      const caller = await open();
      const key = `${folder}/escaped`;
      const body = character.repeat(Math.floor(200_000 / new TextEncoder().encode(character).length));
      await env.BUCKET.put(key, body);

      const whole = await caller.call("getObject", { key });
      const range = await caller.call("getObject", { key, range: { offset: 0, length: LIMITS.objectBodyBytes } });

      const bytes = whole.encoding === "utf8" ? whole.data : atob(whole.data);
      expect(whole.encoding).toBe(character === "\0" ? "base64" : "utf8");
      expect(bytes).toBe(body);
      expect(range).toMatchObject({ data: whole.data, encoding: whole.encoding });
    },
  );

  it("begins no page at what is no cursor, or that of another listing", async () => {
    const caller = await open();
    const prefix = `${folder}/cursor/`;
    await Promise.all(["a", "b", "c"].map((name) => env.BUCKET.put(prefix + name, name)));

    const { cursor = "" } = await caller.call("listObjects", { prefix, limit: 1 });
    const errors = [
      await caller.callError("listObjects", { prefix, cursor: "garbage" }),
      await caller.callError("listObjects", { prefix, cursor: btoa(`${prefix}a`) }),
      await caller.callError("listObjects", { prefix, cursor: cursor.slice(0, -1) }),
      await caller.callError("listObjects", { prefix: `${folder}/`, cursor }),
      await caller.callError("listObjects", { prefix, delimiter: "/", cursor }),
    ];
    const next = await caller.call("listObjects", { prefix, cursor });

    expect(errors.map((error) => [error.code, issuePaths(error)])).toEqual(
      errors.map(() => [ErrorCode.InvalidParams, ["cursor"]]),
    );
    expect(next.objects.map(({ key }) => key)).toEqual([`${prefix}b`, `${prefix}c`]);
  });

  it.each([1, 2, 3])(
    "lists each key and each group once, in pages of %i, whatever is behind a group",
    async (limit) => {
      const caller = await open();
      const prefix = `${folder}/groups-${limit}/`;
      const names = [
        "a",
        "b/1",
        "b/\u{10ffff}z",
        `b/${"\u{10ffff}".repeat(200)}`,
        "b0",
        "c/",
        "ü/1",
        "\uffff",
        "\u{10000}/1",
      ];
      await Promise.all(names.map((name) => env.BUCKET.put(prefix + name, name)));

      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await caller.call("listObjects", {
          prefix,
          delimiter: "/",
          limit,
          ...(cursor === undefined ? {} : { cursor }),
        });
        expect(page.objects.length + page.prefixes.length).toBeLessThanOrEqual(limit);
        seen.push(
          ...[...page.objects.map(({ key }) => key), ...page.prefixes].map((name) => name.slice(prefix.length)),
        );
        ({ cursor } = page);
      } while (cursor !== undefined);

      expect(seen.toSorted()).toEqual(["a", "b/", "b0", "c/", "ü/", "\uffff", "\u{10000}/"].toSorted());
    },
  );

  it("takes a cursor that somebody has made for the name that it says, and no more", async () => {
    const caller = await open();
    const prefix = "x".repeat(1_024);

    const error = await caller.callError("listObjects", { prefix, delimiter: "/", cursor: "00000000L2E" });

    expect([error.code, issuePaths(error)]).toEqual([ErrorCode.InvalidParams, ["cursor"]]);
  });

  it("lists fewer than asked for where metadata is long, in pages that fit a frame", async () => {
    const caller = await open();
    const prefix = `${folder}/long/`;
    const names = Array.from({ length: 120 }, (_, n) => String(n).padStart(3, "0"));
    await Promise.all(
      names.map((name) => env.BUCKET.put(prefix + name, "", { customMetadata: { long: "\u0001".repeat(4_000) } })),
    );

    const listed: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await caller.call("listObjects", {
        prefix,
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      });
      expect(JSON.stringify(page).length).toBeLessThan(LIMITS.frameBytes);
      listed.push(...page.objects.map(({ key }) => key.slice(prefix.length)));
      ({ cursor } = page);
    } while (cursor !== undefined);

    expect(listed).toEqual(names);
  });

  it.each([
    ["../x"],
    ["a/../b"],
    ["."],
    ["a/./b"],
    ["\0"],
    ["a\r\nb"],
    ["\u0085"],
    [""],
    ["k".repeat(1_025)],
    ["é".repeat(513)],
    ["a//b"],
    ["/a"],
    ["a/"],
    ["\ud800"],
  ])("refuses the key %j everywhere and leaves the bucket as it is", async (key) => {
    const caller = await open();
    const before = await keysOf("");

    const errors = [
      await caller.callError("putObject", { key, data: "hostile" }),
      await caller.callError("getObject", { key }),
      await caller.callError("headObject", { key }),
      await caller.callError("deleteObject", { key }),
      await caller.callError("createUpload", { key }),
    ];
    const many = await caller.callError("deleteObject", { keys: ["fine", key] });

    for (const error of errors) {
      expect(error.code).toBe(ErrorCode.InvalidParams);
      expect(issuePaths(error)).toContain("key");
    }
    expect(many.code).toBe(ErrorCode.InvalidParams);
    expect(await keysOf("")).toEqual(before);
  });

  it.each([["%2e%2e"], ["a b"], ["ключ/🗝"], ["..a/b.."], ["k".repeat(1_024)], ["back\\slash"], ["a?b#c"]])(
    "takes the key %j as it is",
    async (name) => {
      const caller = await open();

      await caller.call("putObject", { key: name, data: transport });

      expect(await caller.call("getObject", { key: name })).toMatchObject({ key: name, data: transport });
      expect(await keysOf(name)).toEqual([name]);
    },
  );

  it.each([
    ["contentType", { contentType: "text/html\r\nX-Evil: 1" }],
    ["contentType", { contentType: "html" }],
    ["contentType", { contentType: "text/plain; charset=utf-8, text/html" }],
    ["metadata.Name", { metadata: { Name: "upper case" } }],
    ["metadata.a", { metadata: { a: "line\nbreak" } }],
    ["metadata", { metadata: { a: "x".repeat(4_096) } }],
    ["ifMatch", { ifMatch: '"quoted"' }],
    ["sha256", { sha256: "AB" }],
    ["data", { encoding: "base64", data: "not base64!" }],
    ["data", { encoding: "base64", data: "YQ" }],
    ["data", { data: "\ud800" }],
    ["metadata.a", { metadata: { a: "half a pair \ud83d" } }],
    ["metadata.\\udc00", { metadata: { "\udc00": "x" } }],
    ["contentType", { contentType: 'text/plain; a="\ud83d"' }],
    ["colour", { colour: "blue" }],
  ])("refuses a put with a bad %s", async (path, params) => {
    const caller = await open();
    const key = `${folder}/bad`;

    const error = await caller.callError("putObject", { key, data: "x", ...params });

    expect(error.code).toBe(ErrorCode.InvalidParams);
    // A half pair is written out: no name of a test can hold one on its way to who tells it.
    const paths = issuePaths(error).map((at) => at.split(" ")[0]?.replaceAll("\udc00", "\\udc00"));
    expect(paths).toContain(path);
    expect(await keysOf(key)).toEqual([]);
  });
});

it("says how to publish what is too large for a message: as an object and its key", async () => {
  const client = await connect();
  const data = "x".repeat(LIMITS.messageBytes);

  const refused = await client.callError("publish", { stream: "claims", data });
  const { key, etag, size } = await client.call("putObject", { key: "claims/1", data: JSON.stringify(data) });
  await client.call("publish", { stream: "claims", data: { object: { key, etag, size } } });
  const { messages } = await client.call("getMessages", { stream: "claims" });

  expect(refused.code).toBe(ErrorCode.TooLarge);
  expect(refused.data).toEqual({ what: "messageBytes", limit: LIMITS.messageBytes, use: ALTERNATIVES.publish });
  const claim = messages[0]?.data as { object: { key: string } };
  const object = await client.call("getObject", { key: claim.object.key });
  expect(JSON.parse(object.data)).toBe(data);
});

it("holds 8 MiB of bodies at once; what is beyond is Busy and not done, and room is made by every answer", async () => {
  const client = await connect();
  const key = "budget";
  const data = "x".repeat(1_000);
  await client.call("putObject", { key, data });
  const { uploadId } = await client.call("createUpload", { key });
  const others = Promise.withResolvers<void>();
  const busy = { code: ErrorCode.Busy, data: { what: "objectBytesInFlight", limit: LIMITS.objectBytesInFlight } };

  const holding = withBodyInMemory(LIMITS.objectBytesInFlight - 999, () => others.promise);
  const get = await client.callError("getObject", { key });
  const put = await client.callError("putObject", { key: `${key}/new`, data });
  const part = await client.callError("uploadPart", { key, uploadId, partNumber: 1, data });
  const range = await client.call("getObject", { key, range: { offset: 0, length: 999 } });
  const head = await client.call("headObject", { key });
  others.resolve();
  await holding;

  expect(get).toMatchObject(busy);
  expect(put).toMatchObject(busy);
  expect(part).toMatchObject(busy);
  expect(await keysOf(`${key}/`)).toEqual([]);
  expect(range.data).toHaveLength(999);
  expect(head.size).toBe(1_000);
  for (let n = 0; n < 12; n += 1) {
    await client.call("putObject", { key: `${key}/${n}`, data: "x".repeat(LIMITS.objectBodyBytes) });
    await client.callError("getObject", { key, range: { offset: 1_000, length: LIMITS.objectBodyBytes } });
    await client.callError("putObject", { key, data: "\ud800".repeat(LIMITS.objectBodyBytes / 6) });
  }
  expect(await client.call("getObject", { key: `${key}/0` })).toMatchObject({ size: LIMITS.objectBodyBytes });
});

it("gives a new follower everything from state, snapshot object and the rest of the stream", async () => {
  const writer = await connect();
  const stream = "accounts";
  const balances: Record<string, number> = {};
  const deposit = async (account: string, amount: number) => {
    balances[account] = (balances[account] ?? 0) + amount;
    return writer.call("publish", { stream, data: { account, amount } });
  };
  for (let n = 1; n <= 20; n += 1) {
    await deposit(`account-${n % 7}`, n);
  }

  // What is replaced, then the object, under a key of its own: a crash before the checkpoint leaves the one before it whole.
  const { revision } = await writer.call("getState", { stream });
  const { lastSequence: through, epoch } = await writer.call("getStreamInfo", { stream });
  const snapshot = await writer.call("putObject", {
    key: `snapshots/${stream}/${epoch}/${through}`,
    data: JSON.stringify(balances),
    contentType: "application/json",
    ifNoneMatch: "*",
  });
  const checkpoint = await writer.call("checkpoint", {
    stream,
    state: { snapshot: { key: snapshot.key, etag: snapshot.etag }, through },
    through,
    expectedRevision: revision,
    epoch,
  });
  await deposit("account-1", 1_000);

  const follower = await connect();
  const { state } = await follower.call("getState", { stream });
  const covered = state as { snapshot: { key: string; etag: string }; through: number };
  const object = await follower.call("getObject", { key: covered.snapshot.key });
  const rebuilt = JSON.parse(object.data) as Record<string, number>;
  const subscribed = await follower.call("subscribe", { stream, from: { sequence: covered.through + 1 } });
  await deposit("account-new", 5);
  await follower.untilMessages(2);
  for (const { data } of follower.of("messages").flatMap((params) => params.messages)) {
    const { account, amount } = data as { account: string; amount: number };
    rebuilt[account] = (rebuilt[account] ?? 0) + amount;
  }

  expect(checkpoint).toMatchObject({ revision: 1, deleted: 20, firstSequence: 21 });
  expect(object.etag).toBe(covered.snapshot.etag);
  expect(subscribed).not.toHaveProperty("skipped");
  expect(follower.sequences()).toEqual([21, 22]);
  expect(rebuilt).toEqual(balances);
});

it("gives a new follower everything though a checkpoint lands while it joins", async () => {
  const writer = await connect();
  const stream = "joined";
  const total = { sum: 0 };
  const add = async (amount: number) => {
    total.sum += amount;
    return writer.call("publish", { stream, data: amount });
  };
  const takeCheckpoint = async () => {
    const through = (await writer.call("getStreamInfo", { stream })).lastSequence;
    const key = `snapshots/${stream}/${through}`;
    await writer.call("putObject", { key, data: JSON.stringify(total) });
    await writer.call("checkpoint", { stream, state: { key, through }, through });
  };
  /** State, object, and the rest from just behind what they cover; from the start again where something is missing. */
  const join = async (follower: TestClient, whenRead: () => Promise<void>) => {
    for (let tries = 1; ; tries += 1) {
      const { state } = await follower.call("getState", { stream });
      const { key, through } = state as { key: string; through: number };
      const { data } = await follower.call("getObject", { key });
      await whenRead();
      const subscribed = await follower.call("subscribe", { stream, from: { sequence: through + 1 } });
      if (subscribed.skipped === undefined) {
        return { tries, sum: (JSON.parse(data) as typeof total).sum, subscribed };
      }
      await follower.call("unsubscribe", { subscription: subscribed.subscription });
    }
  };
  for (const amount of [1, 2, 3]) {
    await add(amount);
  }
  await takeCheckpoint();
  for (const amount of [10, 20, 30]) {
    await add(amount);
  }

  const follower = await connect();
  let reads = 0;
  const joined = await join(follower, async () => {
    reads += 1;
    if (reads === 1) {
      // Sequences 4 to 6 go: the state that was read does not cover them, and the stream has them no more.
      await takeCheckpoint();
      await add(100);
    }
  });
  await add(200);
  await follower.untilMessages(2);
  const rest = follower
    .of("messages")
    .filter(({ subscription }) => subscription === joined.subscribed.subscription)
    .flatMap(({ messages }) => messages.map(({ data }) => data as number));

  expect(joined.tries).toBe(2);
  expect(joined.sum + rest.reduce((sum, amount) => sum + amount, 0)).toBe(total.sum);
});

it("tells who subscribed just before a checkpoint what it trimmed, which is to start over", async () => {
  const writer = await connect();
  const stream = "trimmed";
  for (const amount of [1, 2, 3, 4]) {
    await writer.call("publish", { stream, data: amount });
  }

  const follower = await connect();
  const { subscription } = await follower.call("subscribe", { stream, from: { sequence: 1 }, maxInFlight: 1 });
  await follower.untilMessages(1);
  await writer.call("checkpoint", { stream, state: {}, through: 4 });
  await follower.call("ack", { subscription, through: 1 });
  const gap = await follower.until(() => follower.of("gap")[0], "the gap");

  expect(gap).toMatchObject({ subscription, from: 2, to: 4 });
});
