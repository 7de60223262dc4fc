import { execFile } from "node:child_process";
import { createCipheriv, createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";

import { describe, expect, inject } from "vitest";

import { LIMITS } from "../../../rpc/index.ts";
import type { ObjectInfo } from "../../../rpc/index.ts";

import { test } from "../server/fixtures.ts";
import { responseTo, send } from "../server/send.ts";
import type { Server } from "../server/server.ts";

const run = promisify(execFile);

const PART_BYTES = LIMITS.objectBodyBytes;
const { objectParts: PARTS } = inject("lengths");
const SIZE = PARTS * PART_BYTES;
const WARM_UP_PARTS = Math.floor(PARTS / 2);
/** What the server may grow by while it moves an object twice as large; one that held the body would grow by all of it. */
const MAX_GROWTH_BYTES = 100_000_000;
/** How many parts go by between two looks at the server's memory. */
const SAMPLE_EVERY = 10;
const CALLS_AT_ONCE = 4;
const LARGE_MS = 180_000;

/** One part of the large object: bytes that do not compress, the same in every run. */
function partOf(index: number): Buffer {
  const counter = Buffer.alloc(16);
  counter.writeUInt32BE(index);
  return createCipheriv("aes-128-ctr", Buffer.alloc(16, 7), counter).update(Buffer.alloc(PART_BYTES));
}

function digestOfWhole(): string {
  const hash = createHash("sha256");
  for (let index = 0; index < PARTS; index += 1) {
    hash.update(partOf(index));
  }
  return hash.digest("hex");
}

/** Resident bytes of the server's processes, which are workerd and the Node that started it. */
async function memoryOf(server: Server): Promise<number> {
  const { stdout } = await run("ps", ["-A", "-o", "pgid=,rss="]);
  return stdout
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([group]) => group === server.processGroup)
    .reduce((total, [, kilobytes = 0]) => total + kilobytes * 1024, 0);
}

/** Looks at the server's memory now and then, and keeps the most it saw. */
class MemoryWatch {
  readonly #server: Server;
  readonly #before: number;
  #most = 0;
  #parts = 0;

  private constructor(server: Server, before: number) {
    this.#server = server;
    this.#before = before;
  }

  static async begin(server: Server): Promise<MemoryWatch> {
    return new MemoryWatch(server, await memoryOf(server));
  }

  /** To be called as each part goes by. */
  async part(): Promise<void> {
    this.#parts += 1;
    if (this.#parts % SAMPLE_EVERY === 0) {
      await this.#look();
    }
  }

  /** By how many bytes the server's processes had grown at most. */
  async growth(): Promise<number> {
    await this.#look();
    return this.#most - this.#before;
  }

  async #look(): Promise<void> {
    this.#most = Math.max(this.#most, await memoryOf(this.#server));
  }
}

async function upload(server: Server, path: string, parts: number, watch?: MemoryWatch): Promise<ObjectInfo> {
  const sent = send(server, "PUT", path, { "Content-Length": parts * PART_BYTES });
  const answered = responseTo(sent);
  await pipeline(async function* body() {
    for (let index = 0; index < parts; index += 1) {
      await watch?.part();
      yield partOf(index);
    }
  }, sent);
  const response = await answered;
  expect(response.statusCode).toBe(201);
  return JSON.parse(await text(response)) as ObjectInfo;
}

/** Size and SHA-256 of an object, read over HTTP. */
async function download(server: Server, path: string, watch?: MemoryWatch): Promise<{ size: number; sha256: string }> {
  const sent = send(server, "GET", path);
  sent.end();
  const response = await responseTo(sent);
  expect(response.statusCode).toBe(200);
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    hash.update(chunk);
    const parts = Math.floor((size + chunk.byteLength) / PART_BYTES) - Math.floor(size / PART_BYTES);
    size += chunk.byteLength;
    for (let part = 0; part < parts; part += 1) {
      await watch?.part();
    }
  }
  return { size, sha256: hash.digest("hex") };
}

/** Runs a task for each part, a few at once. */
async function forEachPart<T>(task: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async () => {
    while (next < PARTS) {
      const index = next;
      next += 1;
      results[index] = await task(index);
    }
  };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, worker));
  return results;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(0)} MB`;
}

describe("an object of many parts", () => {
  test(
    "goes through HTTP in flat memory, and is read by ranges",
    { timeout: LARGE_MS },
    async ({ server, connect, annotate }) => {
      const client = await connect();
      const expected = digestOfWhole();
      // A heap grows to where its collector sets in, whatever goes through it: that is before, and not of the large body.
      await upload(server, "/r2/warm-up", WARM_UP_PARTS);
      await download(server, "/r2/warm-up");

      const putting = await MemoryWatch.begin(server);
      const info = await upload(server, "/r2/large", PARTS, putting);
      const putGrowth = await putting.growth();
      const getting = await MemoryWatch.begin(server);
      const got = await download(server, "/r2/large", getting);
      const getGrowth = await getting.growth();
      const ranges = await forEachPart(async (index) => {
        const range = { offset: index * PART_BYTES, length: PART_BYTES };
        const { data, encoding } = await client.call("getObject", { key: "large", range, encoding: "base64" });
        expect(encoding).toBe("base64");
        return createHash("sha256").update(Buffer.from(data, "base64")).digest("hex");
      });

      await annotate(
        `the server grew by ${megabytes(putGrowth)} while putting and ${megabytes(getGrowth)} while getting`,
      );
      expect(info.size).toBe(SIZE);
      expect(got).toEqual({ size: SIZE, sha256: expected });
      // Of a smaller object the growth tells nothing: a heap grows by as much for no reason.
      if (SIZE >= 2 * MAX_GROWTH_BYTES) {
        expect(putGrowth).toBeLessThan(MAX_GROWTH_BYTES);
        expect(getGrowth).toBeLessThan(MAX_GROWTH_BYTES);
      }
      expect(ranges).toEqual(
        Array.from({ length: PARTS }, (_, index) => createHash("sha256").update(partOf(index)).digest("hex")),
      );
    },
  );

  test("is written by parts over a socket", { timeout: LARGE_MS }, async ({ server, connect }) => {
    const client = await connect();
    const expected = digestOfWhole();
    const { uploadId } = await client.call("createUpload", { key: "large", contentType: "application/x-large" });

    const parts = await forEachPart((index) =>
      client.call("uploadPart", {
        key: "large",
        uploadId,
        partNumber: index + 1,
        data: partOf(index).toString("base64"),
        encoding: "base64",
      }),
    );
    const info = await client.call("completeUpload", { key: "large", uploadId, parts, sha256: expected });
    const got = await download(server, "/r2/large");

    expect(info).toMatchObject({ size: SIZE, contentType: "application/x-large", sha256: expected });
    expect(got).toEqual({ size: SIZE, sha256: expected });
  });
});
