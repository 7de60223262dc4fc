/** Tokens that end while a client of the package is connected, by a real server. */
import { setTimeout as delay } from "node:timers/promises";

import { expect } from "vitest";

import { DurableStream } from "../../../rpc/client.ts";
import type { ConnectionChange } from "../../../rpc/client.ts";

import { jwks, newKey, signedBy } from "../access/token-maker.ts";
import { test as base } from "../server/fixtures.ts";

const key = newKey("HS256", "tokens");
const test = base.extend({ options: { vars: { TOKEN_KEYS: jwks(key.jwk), GATEWAY_SHARDS: "1" } } });

const PATIENCE = { timeout: 20_000, interval: 20 };

/** A token of Ann that lasts so long. */
function tokenOf(livesMs: number, actions = ["read", "publish"]): string {
  const rights = [{ streams: ["room"], actions }];
  return signedBy(key, { sub: "Ann", exp: (Date.now() + livesMs) / 1_000, rights });
}

test("a follower goes on through three tokens on one socket, its gateway asleep in between, with every message once", async ({
  server,
}) => {
  const changes: ConnectionChange[] = [];
  const given: string[] = [];
  await using root = new DurableStream({ url: server.url, token: server.apiKey });
  await using ann = new DurableStream({
    url: server.url,
    token: () => {
      const token = tokenOf(2_000);
      given.push(token);
      return token;
    },
    onState: (change) => changes.push(change),
  });
  const seen: number[] = [];
  ann.subscribe({ stream: "room" }, (event) => {
    seen.push(event.type === "message" ? event.sequence : Number.NaN);
  });

  let published = 0;
  while (given.length < 5) {
    // Now and then long enough that the gateway can be put to sleep.
    await Promise.all([root, ann].map((client) => client.publish({ stream: "room", data: published })));
    published += 2;
    await delay(published % 40 === 0 ? 100 : 10);
    if (published % 40 === 0) {
      await server.evictGateway(0, "hibernate");
    }
  }
  await expect.poll(() => seen.length, PATIENCE).toBe(published);

  expect(seen).toEqual(Array.from({ length: published }, (_, index) => index + 1));
  expect(changes.map(({ state }) => state)).toEqual(["connecting", "open"]);
});

test("a follower without renewal goes on over sockets, publishes as they come, and misses nothing", async ({
  server,
}) => {
  const changes: ConnectionChange[] = [];
  await using root = new DurableStream({ url: server.url, token: server.apiKey });
  let token = "";
  const renew = () => (token = tokenOf(1_500));
  renew();
  // It gives the same one until that has ended, as a cache does.
  const ends = setInterval(renew, 1_500);
  await using ann = new DurableStream({
    url: server.url,
    token: () => token,
    onState: (change) => changes.push(change),
  });
  const seen: number[] = [];
  ann.subscribe({ stream: "room" }, (event) => {
    seen.push(event.type === "message" ? event.sequence : Number.NaN);
  });

  const publishing: Promise<unknown>[] = [];
  while (changes.filter(({ state }) => state === "open").length < 3) {
    publishing.push(...[root, ann].map((client) => client.publish({ stream: "room", data: publishing.length })));
    await delay(20);
  }
  clearInterval(ends);
  await Promise.all(publishing);
  await expect.poll(() => seen.length, PATIENCE).toBe(publishing.length);

  expect(seen).toEqual(publishing.map((_, index) => index + 1));
});

test("the same token again after its end is the end of the client: it is offered once", async ({ server }) => {
  const changes: ConnectionChange[] = [];
  const token = tokenOf(1_000);
  let asked = 0;
  const client = new DurableStream({
    url: server.url,
    token: () => {
      asked += 1;
      return token;
    },
    onState: (change) => changes.push(change),
  });
  const following = client.subscribe({ stream: "room" });

  await expect(following.next()).rejects.toMatchObject({ name: "Unauthenticated" });

  // To connect, when it was about to end, and when it had.
  expect(asked).toBe(3);
  expect(changes.filter(({ state }) => state === "open")).toHaveLength(1);
  await expect.poll(() => client.state).toBe("closed");
  await expect(client.publish({ stream: "room", data: 1 })).rejects.toMatchObject({ name: "Unauthenticated" });
});

test("a string is not renewed: its end is that of the client", async ({ server }) => {
  const client = new DurableStream({ url: server.url, token: tokenOf(1_000) });

  await expect(client.subscribe({ stream: "room" }).next()).rejects.toMatchObject({ name: "Unauthenticated" });
  expect(client.state).toBe("closed");
});

test("rights that shrink on the way end what they do not allow, with what is missing, and nothing else", async ({
  server,
}) => {
  let actions = ["read", "publish"];
  await using root = new DurableStream({ url: server.url, token: server.apiKey });
  await using ann = new DurableStream({ url: server.url, token: () => tokenOf(2_000, actions) });
  await root.createConsumer({ stream: "room", consumer: "workers" });
  const seen: number[] = [];
  ann.subscribe({ stream: "room" }, (event) => {
    seen.push(event.type === "message" ? event.sequence : Number.NaN);
  });
  await expect(ann.subscribe({ stream: "room", consumer: "workers" }).next()).rejects.toMatchObject({
    name: "Forbidden",
    data: { action: "consume" },
  });
  await ann.publish({ stream: "room", data: 1 });

  actions = ["read"];
  await expect
    .poll(
      () =>
        ann.publish({ stream: "room", data: 2 }).then(
          () => "stored",
          ({ name }: Error) => name,
        ),
      PATIENCE,
    )
    .toBe("Forbidden");
  const { sequence } = await root.publish({ stream: "room", data: 3 });

  await expect.poll(() => seen.at(-1), PATIENCE).toBe(sequence);
  expect(seen).toEqual(Array.from({ length: sequence }, (_, index) => index + 1));
});
