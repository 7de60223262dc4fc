import { expect, it, vi } from "vitest";

import { isMethodName, METHOD_RIGHTS, METHOD_TRAITS } from "../../rpc/index.ts";
import type { MethodName, MethodParams } from "../../rpc/index.ts";
import type { Access } from "../../src/access/access.ts";
import { binding } from "../harness/service.ts";
import { tokenFor } from "../harness/tokens.ts";

import { WAYS } from "./ways.ts";
import type { Caller } from "./ways.ts";

const METHODS = Object.keys(METHOD_TRAITS).filter(isMethodName);
/** The SHA-256 of "part". */
const PART = "37a680133bd09342f934afb8dd2c7d9e1b624da5f35e3a38adb103e37c055ed1";

/** All that a right can name, and every name that it can be said of. */
function tenant(prefix: string): Access {
  const rights = [{ streams: [">"], objects: [""], actions: [...METHOD_RIGHTS, ...METHODS] }];
  return { rights, prefix, expiresAt: Date.now() + 600_000 };
}

const OURS = "acme.";
const THEIRS = "umbrella.";
const consumer = "workers";

/** What a call is of: names, a word that tells whose data it is, and what the server gave the owner. */
type Of = { readonly stream: string; readonly key: string; readonly word: string; readonly given: Given };
type Given = { lease: string; uploadId: string; token: string };

/**
 * A call of each method, in an order in which all succeed for the owner. A method without one does not compile.
 */
const CASES: { readonly [M in MethodName]: (of: Of) => MethodParams<M> } = {
  getServerInfo: () => ({}),
  "rpc.discover": () => ({}),
  configureStream: ({ stream }) => ({ stream, maxMessages: 100 }),
  publish: ({ stream, word }) => ({ stream, data: word, subject: "a.b", producer: { id: "p", sequence: 1 } }),
  publishBatch: ({ stream, word }) => ({ stream, messages: [{ data: word }, { data: word, subject: "a.c" }] }),
  getMessages: ({ stream }) => ({ stream }),
  putState: ({ stream, word }) => ({ stream, state: { word } }),
  getState: ({ stream }) => ({ stream }),
  checkpoint: ({ stream, word }) => ({ stream, state: { word }, through: 1 }),
  subscribe: ({ stream }) => ({ stream }),
  deleteMessages: ({ stream }) => ({ stream, through: 1 }),
  getProducer: ({ stream }) => ({ stream, producer: "p" }),
  listProducers: ({ stream }) => ({ stream }),
  listStreams: () => ({}),
  getStreamInfo: ({ stream }) => ({ stream }),
  ack: () => ({ subscription: 1, through: 2 }),
  unsubscribe: () => ({ subscription: 1 }),
  createConsumer: ({ stream }) => ({ stream, consumer, ackWaitMs: 600_000, maxInFlight: 100 }),
  updateConsumer: ({ stream }) => ({ stream, consumer, maxInFlight: 50 }),
  getConsumer: ({ stream }) => ({ stream, consumer }),
  listConsumers: ({ stream }) => ({ stream }),
  fetchMessages: ({ stream }) => ({ stream, consumer, limit: 1 }),
  ackMessages: ({ stream, given: { lease } }) => ({
    stream,
    consumer,
    lease,
    sequences: [2],
    outcome: "term",
  }),
  getDeadLetters: ({ stream }) => ({ stream, consumer }),
  retryDeadLetters: ({ stream }) => ({ stream, consumer }),
  deleteDeadLetters: ({ stream }) => ({ stream, consumer }),
  seekConsumer: ({ stream }) => ({ stream, consumer, from: "first" }),
  working: () => ({ subscription: 2, sequences: [2] }),
  nak: () => ({ subscription: 2, sequences: [2] }),
  term: () => ({ subscription: 2, sequences: [3] }),
  pauseConsumer: ({ stream }) => ({ stream, consumer, paused: true }),
  deleteConsumer: ({ stream }) => ({ stream, consumer }),
  putObject: ({ key, word }) => ({ key: `${key}/1`, data: word }),
  headObject: ({ key }) => ({ key: `${key}/1` }),
  getObject: ({ key }) => ({ key: `${key}/1` }),
  listObjects: ({ key }) => ({ prefix: key.slice(0, 1), delimiter: "/" }),
  createObjectUrl: ({ key }) => ({ key: `${key}/1` }),
  createUpload: ({ key }) => ({ key: `${key}/2` }),
  uploadPart: ({ key, given: { uploadId } }) => ({ key: `${key}/2`, uploadId, partNumber: 1, data: "part" }),
  completeUpload: ({ key, given: { uploadId } }) => ({
    key: `${key}/2`,
    uploadId,
    parts: [{ partNumber: 1, etag: PART }],
  }),
  abortUpload: ({ key, given: { uploadId } }) => ({ key: `${key}/2`, uploadId }),
  deleteObject: ({ key }) => ({ keys: [`${key}/1`, `${key}/2`] }),
  authenticate: ({ given: { token } }) => ({ token }),
  issueToken: ({ stream }) => ({ rights: [{ streams: [stream], actions: ["read"] }], subject: "s" }),
  deleteStream: ({ stream }) => ({ stream }),
};

it("has a case of every method, and a way in for each", async () => {
  const callers = await Promise.all(WAYS.map(async ([, open]) => open(tenant(OURS))));

  expect(Object.keys(CASES).toSorted()).toEqual(METHODS.toSorted());
  expect(new Set(callers.flatMap(({ methods }) => methods))).toEqual(new Set(METHODS));
  callers.forEach((caller) => caller.close());
});

it.each(WAYS)(
  "lets neither of two tenants read, list, change, delete or name what is the other's, by %s",
  { timeout: 60_000 },
  async (way, open) => {
    const [owner, intruder] = [await open(tenant(OURS)), await open(tenant(THEIRS))];
    const at = { stream: `orders-${way.replaceAll(/\W/g, "-")}`, key: `doc-${way.replaceAll(/\W/g, "-")}` };
    const token = await tokenFor(tenant(OURS));
    const given: Given = { lease: "of the fetch", uploadId: "00000000-0000-4000-8000-000000000000", token };

    for (const method of Object.keys(CASES).filter(isMethodName)) {
      if (!owner.methods.includes(method)) {
        continue;
      }
      await prepare(method, { owner, of: { ...at, word: "ours-alone", given } });
      const before = await worldOf(at);
      for (const said of [at, { stream: OURS + at.stream, key: OURS + at.key }]) {
        await intruder.call(method, CASES[method]({ ...said, word: "theirs", given }));
      }
      expect([method, await worldOf(at)]).toEqual([method, before]);

      const { error, result } = await owner.call(method, CASES[method]({ ...at, word: "ours-alone", given }));
      expect([method, error]).toEqual([method, undefined]);
      Object.assign(given, Object(result) as Given);
    }

    expect(owner.heard()).toContain("ours-alone");
    expect(owner.heard()).not.toContain(OURS);
    expect(intruder.heard()).not.toContain("ours-alone");
    expect(intruder.heard()).not.toContain(THEIRS);
    expect(await namesOfAll(at)).toEqual([]);
    owner.close();
    intruder.close();
  },
);

/** What has to be before the owner's call of a method can succeed. */
async function prepare(method: MethodName, { owner, of }: { owner: Caller; of: Of }): Promise<void> {
  if (method === "ack") {
    await vi.waitUntil(() => owner.delivered() >= 2);
  }
  if (method === "working") {
    const before = owner.delivered();
    await owner.call("subscribe", { stream: of.stream, consumer });
    await vi.waitUntil(() => owner.delivered() >= before + 2);
  }
  if (method === "abortUpload") {
    const { result } = await owner.call("createUpload", CASES.createUpload(of));
    Object.assign(of.given, result);
  }
}

/** All that the owner has, as who may do everything sees it. */
async function worldOf({ stream: name, key }: { stream: string; key: string }): Promise<unknown> {
  const [root, stream] = [binding(), OURS + name];
  const asked = await Promise.all(
    [
      root.getStreamInfo({ stream }),
      root.getMessages({ stream }),
      root.getState({ stream }),
      root.listConsumers({ stream }),
      root.listProducers({ stream }),
      root.getDeadLetters({ stream, consumer }),
      root.listObjects({ prefix: OURS + key }),
    ].map((call) => call.catch((error: unknown) => ({ ...(error as object) }))),
  );
  return JSON.parse(JSON.stringify(asked, steady)) as unknown;
}

/** Leaves out which gateways and subscriptions a stream has: that takes a moment to change. */
function steady(field: string, value: unknown): unknown {
  return field === "gateways" || field === "subscriptions" ? undefined : value;
}

/** What is there without the prefix of either. */
async function namesOfAll({ stream }: { stream: string }): Promise<string[]> {
  const { objects } = await binding().listObjects({ limit: 1_000 });
  const keys = objects.map(({ key }) => key).filter((key) => !key.startsWith(OURS) && !key.startsWith(THEIRS));
  const isThere = await binding()
    .getStreamInfo({ stream })
    .then(
      () => true,
      () => false,
    );
  return isThere ? [...keys, stream] : keys;
}
