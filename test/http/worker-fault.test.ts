import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import type { Gateway } from "../../src/gateway/gateway.ts";
import { request } from "../harness/http.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

it("tells who met an unexpected fault the id under which it is logged, and nothing else", async () => {
  const prototype = await runInDurableObject(env.GATEWAY.getByName("any"), (gateway: Gateway): Pick<Gateway, "fetch"> =>
    Object.getPrototypeOf(gateway),
  );
  vi.spyOn(prototype, "fetch").mockImplementation(() => {
    throw new Error("a secret of the server");
  });
  const log = vi.spyOn(console, "error").mockImplementation(() => undefined);

  const response = await request("/rpc", {
    headers: { Authorization: `Bearer ${env.API_KEY}`, Upgrade: "websocket" },
  });

  const answer: { error: { data: { requestId: string } } } = await response.json();
  expect(response.status).toBe(500);
  expect(answer).toEqual({
    jsonrpc: "2.0",
    id: null,
    error: { code: ErrorCode.InternalError, message: "internal error", data: { requestId: expect.any(String) } },
  });
  const lines = log.mock.calls.flat().map(String);
  expect(lines).toEqual([expect.stringContaining(answer.error.data.requestId)]);
});
