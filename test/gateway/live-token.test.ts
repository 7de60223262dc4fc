import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, onTestFinished, vi } from "vitest";

import { CloseCode, ErrorCode } from "../../rpc/index.ts";
import type { Right } from "../../rpc/index.ts";
import type { Access } from "../../src/access/access.ts";
import { socketOf } from "../access/ways.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { evict, gatewayOf, range } from "../harness/objects.ts";
import { binding } from "../harness/service.ts";
import { holdStream } from "../harness/hold.ts";
import { tokenFor } from "../harness/tokens.ts";

const NONE: Right[] = [];
/** How far the clocks of an issuer and the server may be apart. */
const SKEW_MS = 60_000;

/** An access of a token of Zoë, who is a tenant. */
function zoe(rights: readonly Right[], livesMs = 600_000): Access & { expiresAt: number } {
  return { rights: [...rights], subject: "Zoë", prefix: "acme.", expiresAt: Date.now() + livesMs };
}

function reading(...streams: string[]): Right[] {
  return [{ streams, actions: ["read", "consume"] }];
}

async function authenticate(client: TestClient, access: Access) {
  return client.call("authenticate", { token: await tokenFor(access) });
}

async function whenClosed(client: TestClient) {
  return client.until(() => client.closed, "the socket to close");
}

/** Loses the alarm of a client's gateway, which then takes none for set. */
async function dropAlarm(client: TestClient): Promise<void> {
  const gateway = await gatewayOf(client);
  await runInDurableObject(gateway, (_gateway, { storage }) => storage.deleteAlarm());
  await evict(gateway);
}

/** Publishes to both streams, one after the other. */
async function publishTwenty(first: number): Promise<void> {
  for (const data of range(first, first + 19)) {
    await Promise.all(["kept", "ended"].map((stream) => binding().publish({ stream: `acme.${stream}`, data })));
  }
}

describe("authenticate", () => {
  it("ends the subscriptions that the new token does not allow, and keeps the others without a gap", async () => {
    const client = await socketOf(zoe(reading("kept", "ended")));
    const kept = await client.call("subscribe", { stream: "kept" });
    const ended = await client.call("subscribe", { stream: "ended" });
    await publishTwenty(1);
    await client.untilMessages(40);
    const publishing = publishTwenty(21);
    const { expiresAt, ...next } = zoe(reading("kept"));

    const answer = await authenticate(client, { ...next, expiresAt });
    await publishing;
    await client.until(() => client.sequences(kept.subscription).length >= 40 || undefined, "all messages");

    expect(answer).toEqual({ subject: "Zoë", expiresAt });
    expect(client.of("subscriptionClosed")).toEqual([{ subscription: ended.subscription, reason: "forbidden" }]);
    expect(client.sequences(kept.subscription)).toEqual(range(1, 40));
    expect(client.of("gap")).toEqual([]);
    expect((await client.callError("ack", { subscription: ended.subscription, through: 1 })).code).toBe(
      ErrorCode.NotFound,
    );
  });

  it("decides again after an eviction what a subscription was allowed with, and holds through the next", async () => {
    const subjects = ["a.*"];
    const client = await socketOf(zoe([{ streams: ["woken"], actions: ["read"] }]));
    const gateway = await gatewayOf(client);
    const kept = await client.call("subscribe", { stream: "woken", filter: "a.b" });
    const ended = await client.call("subscribe", { stream: "woken", filter: "b.>" });
    await evict(gateway);

    await authenticate(client, zoe([{ streams: ["woken"], actions: ["read"], subjects }]));
    await evict(gateway);
    await binding().publishBatch({
      stream: "acme.woken",
      messages: [
        { data: 1, subject: "b.b" },
        { data: 2, subject: "a.b" },
      ],
    });
    await client.untilMessages(1);

    expect(client.of("subscriptionClosed")).toEqual([{ subscription: ended.subscription, reason: "forbidden" }]);
    expect(client.sequences(kept.subscription)).toEqual([2]);
    expect((await client.callError("subscribe", { stream: "woken" })).code).toBe(ErrorCode.Forbidden);
  });

  it("gives back what a subscription of a consumer held", async () => {
    const consumer = "workers";
    await binding().publish({ stream: "acme.jobs", data: 1 });
    await binding().createConsumer({ stream: "acme.jobs", consumer, ackWaitMs: 600_000 });
    const client = await socketOf(zoe(reading("jobs")));
    const { subscription } = await client.call("subscribe", { stream: "jobs", consumer });
    await client.untilMessages(1);

    await authenticate(client, zoe(NONE));
    const other = await connect();
    await other.call("subscribe", { stream: "acme.jobs", consumer });

    await other.untilMessages(1);
    expect(client.of("subscriptionClosed")).toEqual([{ subscription, reason: "forbidden" }]);
  });

  it("decides calls behind it by the new token, and takes it through an eviction", async () => {
    const client = await socketOf(zoe(NONE));
    const token = await tokenFor(zoe([{ streams: ["wider"], actions: ["publish"] }]));
    const narrower = await tokenFor(zoe(NONE));
    const publish = { method: "publish", params: { stream: "wider", data: 1 } };
    const calls = [
      publish,
      { method: "authenticate", params: { token } },
      publish,
      { method: "authenticate", params: { token: narrower } },
      publish,
    ].map((call, id) => ({ jsonrpc: "2.0", id, ...call }));

    const answers = (await client.exchange(JSON.stringify(calls))) as { error?: { code: number } }[];
    await client.call("authenticate", { token });
    await evict(await gatewayOf(client));

    const codes = answers.map(({ error }) => error?.code);
    expect(codes).toEqual([ErrorCode.Forbidden, undefined, undefined, undefined, ErrorCode.Forbidden]);
    expect(await client.call("publish", publish.params)).toMatchObject({ stream: "wider", sequence: 2 });
  });

  it("refuses a subscribe that was on its way", async () => {
    const [stream, consumer] = ["on-its-way", "workers"];
    await binding().publish({ stream: `acme.${stream}`, data: 1 });
    await binding().createConsumer({ stream: `acme.${stream}`, consumer, ackWaitMs: 600_000 });
    const client = await socketOf(zoe(reading(stream)));
    const release = await holdStream(`acme.${stream}`);
    const subscribing = [{ stream }, { stream, consumer }].map((params) => client.callError("subscribe", params));

    await authenticate(client, zoe(NONE));
    await release();

    const refused = await Promise.all(subscribing);
    expect(refused.map(({ code }) => code)).toEqual([ErrorCode.Forbidden, ErrorCode.Forbidden]);
    // The consumer's message is for others.
    const other = await connect();
    await other.call("subscribe", { stream: `acme.${stream}`, consumer });
    await other.untilMessages(1);
    expect(client.sequences()).toEqual([]);
  });

  it.each<[what: string, code: keyof typeof ErrorCode, other: object]>([
    ["of another subject", "Forbidden", { subject: "Max" }],
    ["of no subject", "Forbidden", { subject: undefined }],
    ["of another prefix", "Forbidden", { prefix: "umbrella." }],
    ["without a prefix", "Forbidden", { prefix: undefined }],
    ["that has ended, beyond the skew of clocks", "Unauthenticated", { expiresAt: Date.now() - SKEW_MS }],
  ])("refuses a token %s, and changes nothing", async (_what, code, other) => {
    const access = zoe(reading("as-before"));
    const client = await socketOf(access);
    await client.call("subscribe", { stream: "as-before" });
    const token = await tokenFor({ ...zoe([{ streams: [">"], actions: ["publish"] }]), ...other });

    const error = await client.callError("authenticate", { token });

    expect(error.code).toBe(ErrorCode[code]);
    expect((await client.callError("publish", { stream: "as-before", data: 1 })).code).toBe(ErrorCode.Forbidden);
    const before = client.sequences().length;
    await binding().publish({ stream: "acme.as-before", data: 1 });
    await client.untilMessages(before + 1);
    const kept = await runInDurableObject(await gatewayOf(client), (_gateway, { storage }) =>
      storage.sql.exec<{ access: string }>("SELECT access FROM socket_access").toArray(),
    );
    expect(kept.map((row) => JSON.parse(row.access) as unknown)).toContainEqual(access);
  });

  it("refuses the root key on the socket of a token, a token on that of the key, and what is none", async () => {
    const [client, root] = [await socketOf(zoe(NONE)), await connect()];

    expect((await client.callError("authenticate", { token: env.API_KEY })).code).toBe(ErrorCode.Forbidden);
    expect((await client.callError("authenticate", { token: "none" })).code).toBe(ErrorCode.Unauthenticated);
    const token = await tokenFor(zoe(NONE));
    expect((await root.callError("authenticate", { token })).code).toBe(ErrorCode.Forbidden);
    expect(await root.call("publish", { stream: "root-as-before", data: 1 })).toMatchObject({ sequence: 1 });
  });
});

describe("the end of a token", () => {
  it.each([false, true])("is told once, and closes the socket; while its gateway sleeps: %s", async (isAsleep) => {
    const access = zoe(reading("ending"), 1_200);
    const client = await socketOf(access);
    const gateway = await gatewayOf(client);
    await client.call("subscribe", { stream: "ending" });
    const sleep = async () => (isAsleep ? evict(gateway) : undefined);

    await sleep();
    await client.until(() => client.of("tokenExpiring")[0], "the notice");
    await sleep();
    const closed = await whenClosed(client);

    expect(closed).toMatchObject({ code: CloseCode.Unauthenticated });
    expect(Date.now()).toBeGreaterThanOrEqual(access.expiresAt);
    expect(client.of("tokenExpiring")).toEqual([{ expiresAt: access.expiresAt }]);
  });

  it("is told 60 s before, once it lasts two minutes or longer", async () => {
    const access = zoe(NONE, 600_000);
    const client = await socketOf(access);
    const gateway = await gatewayOf(client);
    const clock = vi.spyOn(Date, "now");
    onTestFinished(() => clock.mockRestore());
    const toldAt = async (nowMs: number) => {
      clock.mockReturnValue(nowMs);
      await runDurableObjectAlarm(gateway);
      // What was sent before its answer has come.
      await client.call("getServerInfo", {});
      return client.of("tokenExpiring");
    };

    expect(await toldAt(access.expiresAt - 60_001)).toEqual([]);
    expect(await toldAt(access.expiresAt - 60_000)).toEqual([{ expiresAt: access.expiresAt }]);
  });

  it("is told for each token, and is that of the last one", async () => {
    const client = await socketOf(zoe(NONE, 1_000));
    await client.until(() => client.of("tokenExpiring")[0], "the first notice");
    const next = zoe(NONE, 1_500);
    await authenticate(client, next);

    await client.until(() => client.of("tokenExpiring")[1], "the second notice");
    await whenClosed(client);

    expect(client.of("tokenExpiring")[1]).toEqual({ expiresAt: next.expiresAt });
    expect(Date.now()).toBeGreaterThanOrEqual(next.expiresAt);
  });

  it("needs no alarm: what comes later is refused, and the socket closed", async () => {
    const access = zoe([{ streams: ["late"], actions: ["publish", "read"] }], 1_000);
    const client = await socketOf(access);
    await dropAlarm(client);
    await expect.poll(() => Date.now()).toBeGreaterThan(access.expiresAt);
    const publish = { stream: "late", data: 1 };
    const calls = ["publish", "getStreamInfo"].map((method, id) => ({ jsonrpc: "2.0", id, method, params: publish }));

    const answers = await client.exchange(JSON.stringify(calls));

    const error = { code: ErrorCode.Unauthenticated };
    expect(answers).toMatchObject([{ error }, { error }]);
    expect(await whenClosed(client)).toMatchObject({ code: CloseCode.Unauthenticated });
    const info = await binding()
      .getStreamInfo({ stream: "acme.late" })
      .catch(({ code }: { code: number }) => ({ code }));
    expect(info).toEqual({ code: ErrorCode.NotFound });
  });

  it("needs no alarm: nothing is pushed later, and a consumer's messages go to others", async () => {
    const consumer = "workers";
    await binding().publish({ stream: "acme.pushed", data: 1 });
    await binding().createConsumer({ stream: "acme.pushed", consumer, ackWaitMs: 600_000, from: "new" });
    const access = zoe(reading("pushed"), 1_000);
    const client = await socketOf(access);
    await client.call("subscribe", { stream: "pushed", from: "new" });
    await client.call("subscribe", { stream: "pushed", consumer });
    await dropAlarm(client);
    await expect.poll(() => Date.now()).toBeGreaterThan(access.expiresAt);

    await binding().publish({ stream: "acme.pushed", data: 2 });

    expect(await whenClosed(client)).toMatchObject({ code: CloseCode.Unauthenticated });
    expect(client.sequences()).toEqual([]);
    const other = await connect();
    await other.call("subscribe", { stream: "acme.pushed", consumer });
    await other.untilMessages(1);
  });

  it("is no failure of a consumer's worker: what it held is delivered again, however seldom that may be", async () => {
    const consumer = "workers";
    await binding().publish({ stream: "acme.held", data: 1 });
    await binding().createConsumer({ stream: "acme.held", consumer, ackWaitMs: 600_000, maxDeliver: 1 });
    const client = await socketOf(zoe(reading("held"), 1_000));
    await client.call("subscribe", { stream: "held", consumer });
    await client.untilMessages(1);
    await whenClosed(client);

    const other = await connect();
    await other.call("subscribe", { stream: "acme.held", consumer });

    await other.untilMessages(1);
  });

  it.each([false, true])(
    "is later for a token that had passed it when it came, and then the token is taken no more; asleep: %s",
    async (isAsleep) => {
      const expiresAt = Date.now() + 1_500 - SKEW_MS;
      const headers = { Authorization: `Bearer ${await tokenFor({ ...zoe(NONE), expiresAt })}` };
      const client = await connect("/rpc", headers);
      const gateway = await gatewayOf(client);

      await client.until(() => client.of("tokenExpiring")[0], "the notice");
      await (isAsleep ? evict(gateway) : undefined);
      const closed = await whenClosed(client);

      expect(closed).toMatchObject({ code: CloseCode.Unauthenticated });
      expect(Date.now()).toBeGreaterThanOrEqual(expiresAt + SKEW_MS);
      expect(client.of("tokenExpiring")).toEqual([{ expiresAt: expiresAt + SKEW_MS }]);
      await expect(connect("/rpc", headers)).rejects.toThrow("401");
    },
  );

  it("is not put off by offering a token again, but by its skew, once", async () => {
    const access = zoe(NONE, 1_000);
    const token = await tokenFor(access);
    const client = await socketOf(access);
    expect(await client.call("authenticate", { token })).toEqual({ subject: "Zoë", expiresAt: access.expiresAt });
    await whenClosed(client);

    const again = await connect("/rpc", { Authorization: `Bearer ${token}` });
    const answer = await again.call("authenticate", { token });

    expect(answer).toEqual({ subject: "Zoë", expiresAt: access.expiresAt + SKEW_MS });
    again.close();
  });

  it("is no end of a socket without a token", async () => {
    const client = await socketOf({ rights: [], subject: "of a binding" });

    expect((await client.callError("authenticate", { token: await tokenFor(zoe(NONE)) })).code).toBe(
      ErrorCode.Forbidden,
    );
  });
});
