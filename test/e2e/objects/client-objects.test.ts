import { createHash, randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";

import { describe, expect } from "vitest";

import { DurableStream } from "../../../rpc/client.ts";
import type { Fetch, ObjectBody } from "../../../rpc/client.ts";
import { LIMITS } from "../../../rpc/index.ts";

import { sharingServer } from "../server/fixtures.ts";
import { Proxy } from "../server/proxy.ts";
import { bytes, bytesOf, clientOf, LARGE } from "./bytes.ts";

/** Text that is twice as long in JSON. */
const QUOTES = '"\n'.repeat(LIMITS.objectBodyBytes / 2);

/** Counts the requests of a real `fetch`. */
function counting(): { fetch: Fetch; counts: Record<string, number> } {
  const counts: Record<string, number> = {};
  return {
    counts,
    fetch: (url, init) => {
      counts[init.method] = (counts[init.method] ?? 0) + 1;
      return fetch(url, init);
    },
  };
}

async function readToEnd(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    // To the end, if there is one.
  }
}

// A server for each: both put the same keys.
const byHttp = sharingServer().extend<{ client: DurableStream }>({ client: clientOf() });
const byCalls = sharingServer().extend<{ client: DurableStream }>({ client: clientOf({ fetch: false }) });

describe.for([
  ["over HTTP", byHttp],
  ["by calls", byCalls],
] as const)("an object, %s", ([, test]) => {
  test("is put and got from bodies of every kind and size", async ({ client }) => {
    const bodies: [string, ObjectBody, Uint8Array][] = [
      ["empty", "", new Uint8Array()],
      ["text", "grüße", new TextEncoder().encode("grüße")],
      ["one-frame", bytes(LIMITS.objectBodyBytes), bytes(LIMITS.objectBodyBytes)],
      ["one-more", bytes(LIMITS.objectBodyBytes + 1), bytes(LIMITS.objectBodyBytes + 1)],
      ["blob", new Blob([LARGE], { type: "text/html" }), LARGE],
      ["a key/with %, ? and ü", LARGE, LARGE],
      ["stream", new Blob([LARGE]).stream(), LARGE],
      ["zeros", new Uint8Array(200_000), new Uint8Array(200_000)],
      ["quotes", QUOTES, new TextEncoder().encode(QUOTES)],
      ["long-text", `ü${QUOTES}`, new TextEncoder().encode(`ü${QUOTES}`)],
    ];

    for (const [key, body, expected] of bodies) {
      const metadata = { of: key, empty: "" };
      const put = await client.objects.put(key, body, { contentType: "text/plain", metadata });
      const got = await client.objects.get(key);

      expect(put).toMatchObject({ key, size: expected.length, contentType: "text/plain", metadata });
      expect(got).toMatchObject({ key, etag: put.etag, contentType: "text/plain", metadata });
      expect(Buffer.from(await bytesOf(got)).equals(expected)).toBe(true);
    }
  });

  test("is put under its conditions and digest, and leaves nothing of what is refused", async ({ client }) => {
    const sha256 = createHash("sha256").update(LARGE).digest("hex");
    const { etag } = await client.objects.put("key", LARGE, { ifNoneMatch: "*", sha256 });

    await expect(client.objects.put("key", "second", { ifNoneMatch: "*" })).rejects.toMatchObject({ name: "Conflict" });
    for (const refused of [{ ifNoneMatch: "*" }, { ifMatch: "another" }]) {
      await expect(client.objects.put("key", LARGE.slice(1), refused)).rejects.toMatchObject({
        name: "Conflict",
        code: -32_004,
        data: { etag },
      });
    }
    await expect(client.objects.put("key", LARGE.slice(1), { sha256 })).rejects.toMatchObject({
      name: "InvalidParams",
    });
    await expect(client.objects.put("../key", LARGE)).rejects.toMatchObject({ name: "InvalidParams" });
    await expect(client.objects.put("key", LARGE, { metadata: { Upper: "x" } })).rejects.toMatchObject({
      name: "InvalidParams",
    });
    await expect(client.objects.get("other")).rejects.toMatchObject({ name: "NotFound" });
    expect(Buffer.from(await bytesOf(await client.objects.get("key"))).equals(LARGE)).toBe(true);
    expect(await client.objects.put("key", LARGE.slice(1), { ifMatch: etag })).toMatchObject({
      size: LARGE.length - 1,
      contentType: "application/octet-stream",
    });
  });

  test.for([
    ["as large", LARGE.slice(1)],
    ["smaller", "small"],
    ["empty", ""],
  ] as const)("is Conflict to its reader once it was replaced by one that is %s", async ([, other], { client }) => {
    await client.objects.put("changing", LARGE);
    const { body } = await client.objects.get("changing");
    await client.objects.put("changing", other);

    await expect(readToEnd(body.getReader())).rejects.toMatchObject({ name: "Conflict", code: -32_004 });
  });

  test("is the data of a message of any size", async ({ client }) => {
    const small = { text: "small" };
    const large = { text: "x".repeat(LIMITS.messageBytes), deep: [1, null] };
    const larger = { text: "ü".repeat(LIMITS.frameBytes) };

    for (const [index, data] of [small, large, larger].entries()) {
      await client.objects.publishOrPut({ stream: "s", subject: "of.any.size", data }, `data/${index}.json`);
    }

    const { messages } = await client.getMessages({ stream: "s" });
    expect(messages[0]).toMatchObject({ subject: "of.any.size", data: small });
    expect(messages[1]).toMatchObject({ subject: "of.any.size", data: { object: { key: "data/1.json" } } });
    expect(await Promise.all(messages.map((message) => client.objects.resolve(message)))).toEqual([
      small,
      large,
      larger,
    ]);
    const { objects } = await client.listObjects({ prefix: "data/" });
    expect(objects.map(({ key, contentType }) => [key, contentType])).toEqual([
      ["data/1.json", "application/json"],
      ["data/2.json", "application/json"],
    ]);
    await client.objects.put("data/1.json", "{}");
    await expect(client.objects.resolve(messages[1] ?? { data: "" })).rejects.toMatchObject({ name: "Conflict" });
  });

  test("takes its place in the stream by the order of calls", async ({ client }) => {
    const stream = "order";
    const large = { text: "x".repeat(LIMITS.frameBytes * 2) };
    const published = await Promise.all([
      client.publish({ stream, data: 1 }),
      client.objects.publishOrPut({ stream, data: large }, "order/2.json"),
      client.publish({ stream, data: 3 }),
      client.objects.publishOrPut({ stream, data: large }, "order/4.json"),
      client.objects.publishOrPut({ stream, data: 5 }, "order/5.json"),
    ]);

    expect(published.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
  });

  test("is published as a claim check, whatever it is of", async ({ client }) => {
    const message = { stream: "large", subject: "snapshot" };
    const { sequence } = await client.objects.publish(message, "snapshots/1", LARGE, { metadata: { of: "1" } });
    const { messages } = await client.getMessages({ stream: "large" });

    expect(sequence).toBe(1);
    expect(messages[0]).toMatchObject({
      subject: "snapshot",
      data: { object: { key: "snapshots/1", size: LARGE.length } },
    });
    expect(Buffer.from((await client.objects.resolve(messages[0] ?? { data: "" })) as Uint8Array).equals(LARGE)).toBe(
      true,
    );
    expect(await client.headObject({ key: "snapshots/1" })).toMatchObject({ metadata: { of: "1" } });
  });
});

const test = byHttp;

test("large objects are one request each way, small ones and streams none", async ({ server }) => {
  const { fetch: counted, counts } = counting();
  await using client = new DurableStream({
    url: `${server.url}/stream/s`,
    token: async () => server.apiKey,
    fetch: counted,
  });

  await client.objects.put("large", LARGE);
  await bytesOf(await client.objects.get("large"));
  await client.objects.put("small", LARGE.subarray(0, LIMITS.objectBodyBytes));
  await bytesOf(await client.objects.get("small"));
  await client.objects.put("stream", new Blob([LARGE]).stream());

  expect(counts).toEqual({ PUT: 1, GET: 1 });
});

test.for(["application/octet-stream", "text/plain"])(
  "an object of %s that rests encoded is read as it rests",
  async (type, { server, client }) => {
    const encoded = gzipSync(randomBytes(LIMITS.objectBodyBytes * 2));
    const put = await fetch(`${server.url}/r2/encoded/${type}`, {
      method: "PUT",
      headers: { Authorization: `Bearer ${server.apiKey}`, "Content-Encoding": "gzip", "Content-Type": type },
      body: new Uint8Array(encoded),
    });
    expect(put.status).toBe(201);

    expect(Buffer.from(await bytesOf(await client.objects.get(`encoded/${type}`))).equals(encoded)).toBe(true);
  },
);

test("a body that is cut off again and again is resumed, and complete", async ({ server, client }) => {
  await using proxy = await Proxy.to(server.url);
  await using far = new DurableStream({ url: proxy.url, token: server.apiKey, reconnect: { mostMs: 10 } });
  const large = bytes(8_000_000);
  await client.objects.put("cut", large);

  const { body } = await far.objects.get("cut");
  const pieces: Uint8Array[] = [];
  let cuts = 0;
  for (const reader = body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    pieces.push(value);
    if (pieces.length % 20 === 0 && cuts < 5) {
      cuts += 1;
      for (const connection of proxy.connections) {
        connection.cut();
      }
    }
  }

  expect(cuts).toBeGreaterThan(1);
  expect(Buffer.concat(pieces).equals(large)).toBe(true);
});

test("a large put is Unauthenticated with a wrong token", async ({ server, client }) => {
  await using other = new DurableStream({ url: server.url, token: "wrong" });

  await expect(other.objects.put("refused", LARGE)).rejects.toMatchObject({ name: "Unauthenticated", code: -32_001 });
  await expect(client.headObject({ key: "refused" })).rejects.toMatchObject({ name: "NotFound" });
});
