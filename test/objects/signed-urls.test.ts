/** Signed URLs by service binding, and what is told of one that fails. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import type { Rights } from "../../rpc/index.ts";
import worker from "../../src/worker.ts";
import { socketOf } from "../access/ways.ts";
import { request } from "../harness/http.ts";
import { binding, failure } from "../harness/service.ts";
import { tokenFor } from "../harness/tokens.ts";

async function failing(): Promise<never> {
  throw new Error("the disk is gone");
}

it("are made by service binding, for those that may", async () => {
  await env.BUCKET.put("bound", "hello");

  const { url, expiresAt } = await binding().createObjectUrl({ key: "bound", expiresInMs: 2_000 });

  expect(url).toMatch(new RegExp(`^/r2/bound\\?expires=${expiresAt}&signature=[\\w-]{43}$`));
  expect(await (await request(url, { headers: {} })).text()).toBe("hello");
  for (const props of [{ actions: ["getObject"] }, { streams: ["a"] }]) {
    expect(await failure(binding(props).createObjectUrl({ key: "bound" }))).toMatchObject({
      code: ErrorCode.Forbidden,
    });
  }
});

it.each([
  ["the end of its token", 60_000, 86_400_000, 60_000],
  ["what was asked for", 600_000, 2_000, 2_000],
])("last until %s at most", async (_what, tokenMs, expiresInMs, mostMs) => {
  const now = Date.now();
  const rights: Rights = [{ objects: [""], actions: ["objects.read"] }];
  const access = { rights, expiresAt: now + tokenMs };
  const client = await socketOf(access);
  const params = { key: "ends", expiresInMs };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "createObjectUrl", params });
  const headers = { Authorization: `Bearer ${await tokenFor(access)}` };

  const bySocket = await client.call("createObjectUrl", params);
  const { result } = (await (await request("/rpc", { method: "POST", body, headers })).json()) as {
    result: typeof bySocket;
  };

  for (const { url, expiresAt } of [bySocket, result]) {
    expect(url).toContain(`?expires=${expiresAt}&`);
    expect(expiresAt).toBeGreaterThanOrEqual(now + mostMs - 1);
    expect(expiresAt).toBeLessThanOrEqual(Math.min(access.expiresAt, Date.now() + mostMs));
  }
});

it("are of the object that their maker means, and tell nobody its prefix", async () => {
  const rights: Rights = [{ objects: [""], actions: ["objects.read"] }];
  const [acme, umbrella] = [binding({ rights, prefix: "acme." }), binding({ rights, prefix: "umbrella." })];
  const key = "docs/a b";
  const bodies = { [key]: "of nobody", [`acme.${key}`]: "acme's", [`umbrella.${key}`]: "umbrella's" };
  await Promise.all(Object.entries(bodies).map(([name, body]) => env.BUCKET.put(name, body)));

  const urls = await Promise.all([binding(), acme, umbrella].map(async (caller) => caller.createObjectUrl({ key })));
  const read = await Promise.all(urls.map(async ({ url }) => (await request(url, { headers: {} })).text()));

  expect(read).toEqual(["of nobody", "acme's", "umbrella's"]);
  for (const { url } of urls) {
    const signature = url.split("signature=")[1] ?? "";
    expect(url.startsWith("/r2/docs/a%20b?")).toBe(true);
    expect(atob(signature.replaceAll("-", "+").replaceAll("_", "/"))).not.toMatch(/acme|umbrella/);
    const moved = url.replace("/r2/", "/r2/acme.");
    expect((await request(moved, { headers: {} })).status).toBe(403);
  }
});

it("are refused with a signature of any form that is none", async () => {
  const { url } = await binding().createObjectUrl({ key: "formed" });
  const [path = "", signature = ""] = url.split(/(?<=signature=)/);

  for (const other of [
    "A".repeat(43),
    "A".repeat(45),
    "A".repeat(128),
    signature + signature.slice(0, 3),
    `-${signature}`,
  ]) {
    expect([other, (await request(path + other, { headers: {} })).status]).toEqual([other, 403]);
  }
});

it("are in no line of the log when the object can not be read", async () => {
  const { url } = await binding().createObjectUrl({ key: "logged" });
  const log = vi.spyOn(console, "error").mockReturnValue();
  const bindings = { ...env, BUCKET: { get: failing, head: failing } as unknown as R2Bucket };
  const incoming = new Request(`http://stream.test${url}`) as Parameters<typeof worker.fetch>[0];

  const response = await worker.fetch(incoming, bindings, createExecutionContext());

  const lines = log.mock.calls.map(([line]) => String(line));
  log.mockRestore();
  expect(response.status).toBe(503);
  expect(lines).toEqual([expect.stringContaining("the disk is gone")]);
  expect(lines.join()).not.toMatch(/logged|expires|signature|[\w-]{43}/);
});
