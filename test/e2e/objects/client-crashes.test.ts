/** Objects through crashes of the server. */
import { expect } from "vitest";

import type { DurableStream, ObjectBody } from "../../../rpc/client.ts";

import { test as base } from "../server/fixtures.ts";
import type { Server } from "../server/server.ts";
import { bytes, bytesOf, clientOf, LARGE } from "./bytes.ts";

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
