/** Signed URLs by service binding, and what is told of one that fails. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import worker from "../../src/worker.ts";
import { request } from "../harness/http.ts";
import { binding, failure } from "../harness/service.ts";

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
