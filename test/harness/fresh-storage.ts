/**
 * Test files share a workerd: each start of one takes more than a second. So what a file has stored and faked is gone
 * before the next file begins.
 */
import { reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, vi } from "vitest";

import { dropShares } from "../../src/platform/isolate-budget.ts";

type GetByName = Parameters<DurableObjectNamespace["getByName"]>;

/** What all namespaces of objects have in common. */
const prototype = Object.getPrototypeOf(env.STREAM) as DurableObjectNamespace;
const getByName: (this: DurableObjectNamespace, ...args: GetByName) => DurableObjectStub = Reflect.get(
  prototype,
  "getByName",
);

/** The objects that the file has called, by their names: a namespace tells the ids of its objects only. */
const called = new Map<DurableObjectNamespace, Set<string>>();

beforeAll(() => {
  prototype.getByName = function (this: DurableObjectNamespace, ...args: GetByName) {
    called.set(this, (called.get(this) ?? new Set()).add(args[0]));
    return getByName.apply(this, args);
  };
});

afterAll(async () => {
  prototype.getByName = getByName;
  vi.useRealTimers();
  vi.restoreAllMocks();
  // The bucket is an object too.
  await env.BUCKET.head("any");
  await Promise.all([...called].flatMap(([namespace, names]) => [...names].map((name) => wake(namespace, name))));
  called.clear();
  await reset();
  dropShares();
});

/** Brings an object into memory, for `reset` clears no other, and takes its alarm, which `reset` leaves. */
async function wake(namespace: DurableObjectNamespace, name: string): Promise<void> {
  await runInDurableObject(namespace.getByName(name), (_object, { storage }) => storage.deleteAlarm());
}
