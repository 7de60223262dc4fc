import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

import { CloseCode, ErrorCode } from "../../rpc/index.ts";
import { ROOT } from "../../src/access/access.ts";
import type { Access } from "../../src/access/access.ts";
import { ACCESS_HEADER } from "../../src/access/access-header.ts";
import { openSocket } from "../../src/gateway/open-socket.ts";
import worker from "../../src/worker.ts";
import { socketOf } from "../access/ways.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { evict, gatewayOf, range } from "../harness/objects.ts";
import { binding } from "../harness/service.ts";
import { tokenFor } from "../harness/tokens.ts";

const READER: Access = {
  // Beyond ASCII: it crosses in a header.
  rights: [{ streams: ["room.*"], objects: ["Bücher/€"], actions: ["read"] }],
  subject: "Zoë",
  prefix: "acme.",
};

type Kept = { socket: string; access: string };

/** What is stored of the accesses of a gateway's sockets. */
async function keptBy(gateway: Awaited<ReturnType<typeof gatewayOf>>): Promise<Kept[]> {
  return runInDurableObject(gateway, (_gateway, { storage }) =>
    storage.sql.exec<Kept>("SELECT socket, access FROM socket_access").toArray(),
  );
}

/** The forms of the attachments of a gateway's sockets. */
async function formsOf(gateway: Awaited<ReturnType<typeof gatewayOf>>): Promise<unknown[]> {
  return runInDurableObject(gateway, (_gateway, state) =>
    state.getWebSockets().map((socket) => (socket.deserializeAttachment() as { form?: number }).form),
  );
}

async function isForbidden(client: TestClient, method: string, params: object): Promise<boolean> {
  return (await client.callError(method, params)).code === ErrorCode.Forbidden;
}

describe("the access of a socket", () => {
  it("holds through evictions, with its prefix", async () => {
    const client = await socketOf(READER);
    const gateway = await gatewayOf(client);
    await binding().publish({ stream: "acme.room.1", data: 1 });
    const { subscription } = await client.call("subscribe", { stream: "room.1" });
    await client.untilMessages(1);

    for (const sequence of range(2, 3)) {
      await evict(gateway);
      await binding().publish({ stream: "acme.room.1", data: sequence });
      await client.untilMessages(sequence);
      await client.call("ack", { subscription, through: sequence });
      await evict(gateway);
      expect(await isForbidden(client, "publish", { stream: "room.1", data: 1 })).toBe(true);
      expect(await isForbidden(client, "getMessages", { stream: "acme.room.1" })).toBe(true);
      expect(await client.call("getStreamInfo", { stream: "room.1" })).toMatchObject({ stream: "room.1" });
    }

    expect(new Set(client.of("messages").map(({ stream }) => stream))).toEqual(new Set(["room.1"]));
    expect((await keptBy(gateway)).map(({ access }) => JSON.parse(access) as unknown)).toContainEqual(READER);
  });

  it("is forgotten when it closes, and costs root no row", async () => {
    const client = await socketOf({ rights: [], subject: "closes" });
    const root = await connect();
    const [gateway, ofRoot] = await Promise.all([gatewayOf(client), gatewayOf(root)]);
    const before = await keptBy(gateway);
    client.close();
    await expect
      .poll(async () => (await keptBy(gateway)).filter(({ access }) => access.includes("closes")))
      .toEqual([]);

    expect(before.filter(({ access }) => access.includes("closes"))).toHaveLength(1);
    expect((await keptBy(ofRoot)).filter(({ access }) => access.includes("all"))).toEqual([]);
  });

  it("is none when it is lost: the socket is closed", async () => {
    const client = await socketOf({ ...READER, subject: "lost" });
    const gateway = await gatewayOf(client);
    await evict(gateway);
    await runInDurableObject(gateway, (_gateway, { storage }) => {
      storage.sql.exec("DELETE FROM socket_access WHERE access LIKE '%lost%'");
    });
    await evict(gateway);
    client.notify("getServerInfo", {});

    expect(await client.until(() => client.closed, "the socket to close")).toMatchObject({
      code: CloseCode.InternalError,
    });
  });

  it("is not read by code that does not know of it", async () => {
    const client = await socketOf({ ...READER, subject: "form" });
    const root = await connect();
    // Code before accesses reads the form 1 only, and closes sockets of others.
    expect(await formsOf(await gatewayOf(client))).toContain(2);
    expect(await formsOf(await gatewayOf(root))).toContain(1);
  });

  it("is what the Worker says, whatever the client sends", async () => {
    const client = await connect("/rpc", { [ACCESS_HEADER]: JSON.stringify({ rights: [] }) });

    expect(await client.call("publish", { stream: "header", data: 1 })).toMatchObject({ sequence: 1 });
  });

  it("is all that the gateway is told: no key and no token goes on to it", async () => {
    const told: Headers[] = [];
    const gateway = {
      fetch: async ({ headers }: Request) => {
        told.push(headers);
        return new Response(null, { status: 503 });
      },
    };
    const bindings = { ...env, GATEWAY: { getByName: () => gateway } } as unknown as Env;
    const secret = btoa(env.API_KEY);
    const headers = {
      Upgrade: "websocket",
      Authorization: `Bearer ${env.API_KEY}`,
      "Sec-WebSocket-Protocol": `durable-stream.v1, bearer.${secret}`,
    };
    const handshake = new Request("http://stream.test/rpc", { headers });

    // The runtime's own requests have properties that one made by hand has not; nothing here reads them.
    await worker.fetch(handshake as Parameters<typeof worker.fetch>[0], bindings, createExecutionContext());

    const text = JSON.stringify(told.map((each) => [...each]));
    expect(text).toContain("durable-stream.v1");
    expect(text).not.toContain(env.API_KEY);
    expect(text).not.toContain(secret);
  });

  it("is nothing that the answer to a handshake tells", async () => {
    const token = await tokenFor(READER);
    const headers = { Upgrade: "websocket", Authorization: `Bearer ${token}` };

    const { status, headers: shown, webSocket } = await exports.default.fetch("http://stream.test/rpc", { headers });

    webSocket?.accept();
    webSocket?.close();
    expect(status).toBe(101);
    expect(shown.has(ACCESS_HEADER)).toBe(false);
  });

  it("is not left to a gateway of a version before it", async () => {
    const { 0: ours, 1: theirs } = new WebSocketPair();
    const before = { ...env, GATEWAY: { getByName: () => ({ fetch: async () => upgraded(ours) }) } } as unknown as Env;
    const handshake = new Request("http://stream.test/rpc", { headers: { Upgrade: "websocket" } });
    theirs.accept();

    await expect(openSocket(before, { location: "local", access: READER }, handshake)).rejects.toMatchObject({
      code: ErrorCode.Unavailable,
    });
    expect((await openSocket(before, { location: "local", access: ROOT }, handshake)).status).toBe(101);
  });
});

function upgraded(webSocket: WebSocket): Response {
  return new Response(null, { status: 101, webSocket });
}

it("tells followers of one stream its name as each of them says it", async () => {
  const stream = "acme.shared";
  const tenants = { rights: [{ streams: ["shared"], actions: ["read"] }], prefix: "acme." } satisfies Access;
  const root = await connect();
  const { connection } = await root.call("getServerInfo", {});
  let tenant = await socketOf(tenants);
  while ((await tenant.call("getServerInfo", {})).connection?.gateway !== connection?.gateway) {
    tenant = await socketOf(tenants);
  }
  const both = [
    { client: root, stream },
    { client: tenant, stream: "shared" },
  ];
  for (const each of both) {
    expect(await each.client.call("subscribe", { stream: each.stream })).toMatchObject({ subscription: 1 });
  }

  await binding().publishBatch({ stream, messages: [{ data: 1 }, { data: 2 }] });

  for (const each of both) {
    await each.client.untilMessages(2);
    expect(each.client.of("messages")).toMatchObject([{ stream: each.stream, previous: 0 }]);
  }
});
