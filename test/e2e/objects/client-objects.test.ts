import { createHash, randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";

import { describe, expect } from "vitest";

import { DurableStream } from "../../../rpc/client.ts";
import type { Fetch, ObjectBody, ReadObject } from "../../../rpc/client.ts";
import { LIMITS } from "../../../rpc/index.ts";

import { sharingServer, test as base } from "../server/fixtures.ts";
import { Proxy } from "../server/proxy.ts";
import type { Server } from "../server/server.ts";

/** A client of the test's server, which goes by calls alone when it is given no `fetch`. */
function clientOf(how: { fetch?: false } = {}) {
  return async ({ server }: { server: Server }, use: (client: DurableStream) => Promise<void>) => {
    await using client = new DurableStream({ url: server.url, token: server.apiKey, ...how });
    await use(client);
  };
}

async function bytesOf({ body }: ReadObject): Promise<Uint8Array> {
  return new Uint8Array(await new Response(body as ConstructorParameters<typeof Response>[0]).arrayBuffer());
}

function bytes(length: number): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) {
    made[index] = index * 31 + (index >> 8);
  }
  return made;
}

const LARGE = bytes(LIMITS.objectBodyBytes * 2 + 12_345);

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

byHttp("large objects are one request each way, small ones and streams none", async ({ server }) => {
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

byHttp.for(["application/octet-stream", "text/plain"])(
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

byHttp("a body that is cut off again and again is resumed, and complete", async ({ server, client }) => {
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

byHttp("a large put is Unauthenticated with a wrong token", async ({ server, client }) => {
  await using other = new DurableStream({ url: server.url, token: "wrong" });

  await expect(other.objects.put("refused", LARGE)).rejects.toMatchObject({ name: "Unauthenticated", code: -32_001 });
  await expect(client.headObject({ key: "refused" })).rejects.toMatchObject({ name: "NotFound" });
});

const test = base.extend<{ client: DurableStream }>({ client: clientOf() });

const MB = 1_000_000;

/** Has the server crash while a call is made, and returns what the call tells in the end. */
async function throughCrash<T>(server: Server, start: () => Promise<T>): Promise<T> {
  const done = start();
  await server.kill9();
  await server.start();
  return done;
}

test.for<[string, () => ObjectBody]>([
  ["700 KB", () => bytes(0.7 * MB)],
  ["30 MB", () => bytes(30 * MB)],
  ["a stream", () => new Blob([bytes(3 * MB)]).stream()],
])("a put of %s survives a crash of the server while it is made", async ([, body], { server, client }) => {
  await client.getServerInfo();

  const result = await throughCrash(server, () => client.objects.put("key", body()));

  const { etag, size } = await client.headObject({ key: "key" });
  expect(result).toMatchObject({ etag, size });
});

test("a get survives a crash of the server while it is made", async ({ server, client }) => {
  const there = bytes(20 * MB);
  await client.objects.put("there", there);

  const got = await throughCrash(server, async () => bytesOf(await client.objects.get("there")));

  expect(Buffer.from(got).equals(there)).toBe(true);
});

test("a delete survives a crash of the server while it is made", async ({ server, client }) => {
  await client.objects.put("there", LARGE);

  await throughCrash(server, () => client.objects.delete("there"));

  await expect(client.objects.get("there")).rejects.toMatchObject({ name: "NotFound" });
});

test("a put under a condition waits for a server that is down", async ({ server, client }) => {
  await client.getServerInfo();
  await server.kill9();
  const done = client.objects.put("key", bytes(30 * MB), { ifNoneMatch: "*" });
  await server.start();

  expect(await done).toMatchObject({ size: 30 * MB });
  await expect(client.objects.put("key", LARGE, { ifNoneMatch: "*" })).rejects.toMatchObject({ name: "Conflict" });
});
