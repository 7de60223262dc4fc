import { expect } from "vitest";

import { DurableStream } from "../../rpc/client.ts";
import type { ObjectBody, ReadObject } from "../../rpc/client.ts";
import { LIMITS } from "../../rpc/index.ts";

import { test as base } from "./fixtures.ts";

const test = base.extend<{ client: DurableStream }>({
  client: async ({ server }, use) => {
    await using client = new DurableStream({ url: server.url, token: server.apiKey });
    await use(client);
  },
});

async function bytesOf({ body }: ReadObject): Promise<Uint8Array> {
  return new Uint8Array(await new Response(body as ConstructorParameters<typeof Response>[0]).arrayBuffer());
}

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) % 256);
}

const LARGE = bytes(LIMITS.objectBodyBytes * 2 + 12_345);

test("puts and gets bodies of every kind and size", async ({ client }) => {
  const bodies: [string, ObjectBody, Uint8Array][] = [
    ["empty", "", new Uint8Array()],
    ["text", "grüße", new TextEncoder().encode("grüße")],
    ["one-frame", bytes(LIMITS.objectBodyBytes), bytes(LIMITS.objectBodyBytes)],
    ["one-more", bytes(LIMITS.objectBodyBytes + 1), bytes(LIMITS.objectBodyBytes + 1)],
    ["blob", new Blob([LARGE]), LARGE],
    ["stream", new Blob([LARGE]).stream(), LARGE],
  ];

  for (const [key, body, expected] of bodies) {
    const put = await client.objects.put(key, body, { contentType: "text/plain", metadata: { of: key } });
    const got = await client.objects.get(key);

    expect(put).toMatchObject({ key, size: expected.length, contentType: "text/plain", metadata: { of: key } });
    expect(got.etag).toBe(put.etag);
    expect(Buffer.from(await bytesOf(got)).equals(expected)).toBe(true);
  }
});

test("keeps conditions, and leaves nothing of what is refused", async ({ client }) => {
  await client.objects.put("key", "first");

  await expect(client.objects.put("key", "second", { ifNoneMatch: "*" })).rejects.toMatchObject({ name: "Conflict" });
  await expect(client.objects.put("key", LARGE, { ifNoneMatch: "*" })).rejects.toMatchObject({ name: "Conflict" });
  await expect(client.objects.get("other")).rejects.toMatchObject({ name: "NotFound" });
  expect(new TextDecoder().decode(await bytesOf(await client.objects.get("key")))).toBe("first");
});

test("tells a reader that the object changed under it", async ({ client }) => {
  await client.objects.put("changing", LARGE);
  const { body } = await client.objects.get("changing");
  const reader = body.getReader();
  await reader.read();
  await client.objects.put("changing", LARGE.slice(1));

  const readOn = async () => {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      // To the end, which is not reached.
    }
  };
  await expect(readOn()).rejects.toMatchObject({ name: "Conflict" });
});

test("publishes a claim check for what is too large for a message", async ({ client }) => {
  const { sequence } = await client.objects.publish({ stream: "large", subject: "snapshot" }, "snapshots/1", LARGE);
  const { messages } = await client.getMessages({ stream: "large" });

  expect(sequence).toBe(1);
  expect(messages[0]).toMatchObject({
    subject: "snapshot",
    data: { object: { key: "snapshots/1", size: LARGE.length } },
  });
});
