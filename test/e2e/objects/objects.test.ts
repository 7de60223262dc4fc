import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { connect as openTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";

import { describe, expect } from "vitest";

import { ErrorCode } from "../../../rpc/index.ts";
import type { ListObjectsResult, ObjectInfo } from "../../../rpc/index.ts";

import { test } from "../server/fixtures.ts";
import { responseTo, send } from "../server/send.ts";
import type { Server } from "../server/server.ts";

const run = promisify(execFile);

test("an upload survives a crash, and its parts with it", async ({ server, connect }) => {
  const client = await connect();
  const { uploadId } = await client.call("createUpload", { key: "crash" });
  const first = await client.call("uploadPart", { key: "crash", uploadId, partNumber: 1, data: "before, " });
  await server.kill9();
  await server.start();

  const again = await connect();
  const second = await again.call("uploadPart", { key: "crash", uploadId, partNumber: 2, data: "after" });
  await again.call("completeUpload", { key: "crash", uploadId, parts: [first, second] });

  expect(await again.call("getObject", { key: "crash" })).toMatchObject({ data: "before, after" });
});

test("a put that R2 fails may or may not have happened", async ({ server, data, connect }) => {
  const client = await connect();
  await client.call("putObject", { key: "before", data: "kept" });
  const { uploadId } = await client.call("createUpload", { key: "upload" });
  const part = await client.call("uploadPart", { key: "upload", uploadId, partNumber: 1, data: "part" });
  const files = await readdir(data, { recursive: true });
  const blobs = join(data, files.find((file) => file.endsWith("/blobs")) ?? "no blobs");
  await rename(blobs, `${blobs}-away`);
  await writeFile(blobs, "where a folder should be");

  const put = await client.callError("putObject", { key: "failed", data: "x" });
  const sent = send(server, "PUT", "/r2/failed", { "Content-Length": 1 });
  sent.end("x");
  const response = await responseTo(sent);
  const completed = await client.callError("completeUpload", { key: "upload", uploadId, parts: [part] });
  await rm(blobs);
  await rename(`${blobs}-away`, blobs);
  const again = await client.call("completeUpload", { key: "upload", uploadId, parts: [part] });

  expect(put.code).toBe(ErrorCode.OutcomeUnknown);
  expect(response.statusCode).toBe(504);
  expect(JSON.parse(await text(response))).toMatchObject({ error: { code: ErrorCode.OutcomeUnknown } });
  expect(completed.code).toBe(ErrorCode.OutcomeUnknown);
  expect(again.size).toBe(4);
  expect(await client.call("getObject", { key: "before" })).toMatchObject({ data: "kept" });
});

test("a put whose client goes away stores nothing", async ({ server, connect }) => {
  const client = await connect();
  const sent = send(server, "PUT", "/r2/gone", { "Content-Length": 1_000_000 });
  sent.on("error", () => {
    // It is this test that breaks it off.
  });
  await new Promise((resolve) => {
    sent.write(Buffer.alloc(500_000), resolve);
  });
  const failed = '"level":"warn","what":"a body did not reach R2"';
  expect(server.log).not.toContain(failed);
  sent.destroy();
  await expect.poll(() => server.log, { message: "the server has seen the abort", timeout: 10_000 }).toContain(failed);

  const head = await client.callError("headObject", { key: "gone" });
  const { objects } = await client.call("listObjects", {});
  await client.call("putObject", { key: "gone", data: "whole", ifNoneMatch: "*" });

  expect(head.code).toBe(ErrorCode.NotFound);
  expect(objects).toEqual([]);
  expect(await client.call("getObject", { key: "gone" })).toMatchObject({ data: "whole" });
});

/** Runs curl; a machine without it fails here and says so. */
async function curl(server: Server, ...args: string[]): Promise<{ status: number; body: string; headers: string }> {
  const folder = await mkdtemp(join(tmpdir(), "durable-stream-curl-"));
  const heads = join(folder, "headers");
  const flags = ["-sS", "-D", heads, "-w", "\n%{http_code}", "-H", `Authorization: Bearer ${server.apiKey}`];
  const { stdout } = await run("curl", [...flags, ...args]);
  const headers = await readFile(heads, "utf8");
  await rm(folder, { recursive: true });
  const end = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end), headers: headers.toLowerCase() };
}

describe("curl", () => {
  test("puts, gets, heads, ranges, resumes, revalidates and deletes", async ({ server, data }) => {
    const url = `${server.url}/r2/curl/file.txt`;
    const file = join(data, "file.txt");
    await writeFile(file, "0123456789");

    const put = await curl(server, "-T", file, "-H", "Content-Type: text/plain", "-H", "X-Object-Meta-From: curl", url);
    const { etag } = JSON.parse(put.body) as ObjectInfo;
    const head = await curl(server, "-I", url);
    const get = await curl(server, url);
    const range = await curl(server, "-r", "2-4", url);
    const suffix = await curl(server, "-r", "-3", url);
    const beyond = await curl(server, "-r", "10-", url);
    await writeFile(join(data, "partial.txt"), "01234");
    const resumed = await curl(server, "-C", "-", "-o", join(data, "partial.txt"), url);
    const unchanged = await curl(server, "-H", `If-None-Match: "${etag}"`, url);
    const notSince = await curl(server, "-z", "Thu, 01 Jan 2037 00:00:00 GMT", url);
    const stale = await curl(server, "-T", file, "-H", 'If-Match: "stale"', url);
    const created = await curl(server, "-T", file, "-H", "If-None-Match: *", url);
    const stream = await curl(server, "-X", "PUT", "-H", "Transfer-Encoding: chunked", "-d", "chunked", url);
    const posted = await curl(server, "--data-binary", "posted", `${server.url}/r2/curl/posted`);
    const listed = await curl(server, `${server.url}/r2?prefix=curl/`);
    const deleted = await curl(server, "-X", "DELETE", url);
    const gone = await curl(server, url);
    const headOfGone = await curl(server, "-I", url);

    expect(put.status).toBe(201);
    expect(head.status).toBe(200);
    expect(head.headers).toContain("content-length: 10\r\n");
    expect(head.headers).toContain(`etag: "${etag}"\r\n`);
    expect(head.headers).toContain("x-object-meta-from: curl\r\n");
    expect(head.headers).toContain("accept-ranges: bytes\r\n");
    expect([get.status, get.body]).toEqual([200, "0123456789"]);
    expect(get.headers).toContain("content-length: 10\r\n");
    expect([range.status, range.body]).toEqual([206, "234"]);
    expect(range.headers).toContain("content-range: bytes 2-4/10\r\n");
    expect([suffix.status, suffix.body]).toEqual([206, "789"]);
    expect(beyond.status).toBe(416);
    expect(beyond.headers).toContain("content-range: bytes */10\r\n");
    expect(resumed.status).toBe(206);
    expect(await readFile(join(data, "partial.txt"), "utf8")).toBe("0123456789");
    expect([unchanged.status, unchanged.body]).toEqual([304, ""]);
    expect(notSince.status).toBe(304);
    expect([stale.status, created.status]).toEqual([412, 412]);
    expect(stream.status).toBe(411);
    expect(posted.status).toBe(201);
    expect((JSON.parse(listed.body) as ListObjectsResult).objects.map(({ key }) => key)).toEqual([
      "curl/file.txt",
      "curl/posted",
    ]);
    expect([deleted.status, gone.status, headOfGone.status]).toEqual([204, 404, 404]);
  });

  test("gets a compressed body as it was put, or unpacked when it asks", async ({ server, data }) => {
    const packed = join(data, "packed.gz");
    const url = `${server.url}/r2/curl/packed`;
    const { stdout } = await run("sh", ["-c", 'printf %s "squeeze me" | gzip -c'], { encoding: "buffer" });
    await writeFile(packed, stdout);

    await curl(server, "-T", packed, "-H", "Content-Encoding: gzip", "-H", "Content-Type: text/plain", url);
    const raw = await curl(server, "-o", join(data, "raw.gz"), url);
    const unpacked = await curl(server, "--compressed", url);

    expect(raw.headers).toContain("content-encoding: gzip\r\n");
    expect(await readFile(join(data, "raw.gz"))).toEqual(stdout);
    expect(unpacked.body).toBe("squeeze me");
  });
});

/** Sends a head as it is, with a body of one byte, and returns the status of the answer. */
async function exchange(server: Server, head: string): Promise<number> {
  const { hostname, port } = new URL(server.url);
  const socket = openTcp({ host: hostname, port: Number(port) });
  socket.write(`${head}\r\nAuthorization: Bearer ${server.apiKey}\r\nHost: x\r\nConnection: close\r\n\r\nx`);
  const [answer]: [Buffer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer.toString())?.[1]);
}

describe("on a raw socket", () => {
  test("hostile heads are refused, and nothing is stored", async ({ server, connect }) => {
    const client = await connect();
    const expected: [string, number][] = [
      ["PUT /r2/..%2Fx HTTP/1.1\r\nContent-Length: 1", 400],
      ["PUT /r2/a/%2e%2e%2fx HTTP/1.1\r\nContent-Length: 1", 400],
      ["PUT /r2/a//b HTTP/1.1\r\nContent-Length: 1", 400],
      ["PUT /r2//a HTTP/1.1\r\nContent-Length: 1", 400],
      ["PUT /r2/ HTTP/1.1\r\nContent-Length: 1", 400],
      ["PUT /r2/a%0d%0ab HTTP/1.1\r\nContent-Length: 1", 400],
      ["PUT /r2/a%00 HTTP/1.1\r\nContent-Length: 1", 400],
      ["PUT /r2/a\u0001b HTTP/1.1\r\nContent-Length: 1", 400],
      ["PUT /r2/a HTTP/1.1\r\nContent-Length: 1\r\nContent-Type: a\u0001b", 400],
      ["PUT /r2/a HTTP/1.1\r\nContent-Length: 1\r\nX-Object-Meta-A: \u00ff", 400],
      ["PUT /r2/a HTTP/1.1\r\nContent-Length: -1", 400],
      ["PUT /r2/a HTTP/1.1\r\nContent-Length: x", 400],
      ["PUT /r2/a HTTP/1.1\r\nContent-Length: 1\r\nBad Header: x", 400],
      ["PUT /r2/a HTTP/1.1", 411],
      ["PUT /r2/a HTTP/1.1\r\nContent-Length: 6000000000", 413],
    ];

    const answers: [string, number][] = [];
    for (const [head] of expected) {
      answers.push([head, await exchange(server, head)]);
    }

    expect(answers).toEqual(expected);
    expect(await client.call("listObjects", {})).toEqual({ objects: [], prefixes: [] });
  });

  test("a path that would leave /r2 by its dots is refused", async ({ server, connect }) => {
    const client = await connect();

    // The runtime gives the Worker dot segments as they were sent, also as %2e; a Cloudflare account may resolve them.
    for (const path of ["/r2/../x", "/r2/a/../../x", "/r2/%2e%2e/x", "/r2/%2E%2E", "/r2/.."]) {
      expect(await exchange(server, `PUT ${path} HTTP/1.1\r\nContent-Length: 1`)).toBe(400);
      expect((await curl(server, "--path-as-is", "-X", "PUT", "-d", "x", server.url + path)).status).toBe(400);
    }
    expect(await client.call("listObjects", {})).toEqual({ objects: [], prefixes: [] });
  });
});
