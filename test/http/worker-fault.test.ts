import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import type { Gateway } from "../../src/gateway/gateway.ts";
import { request } from "../harness/http.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** Has every gateway refuse handshakes with an exception; those of the runtime carry marks. */
async function failHandshakes(error: Error): Promise<void> {
  const prototype = await runInDurableObject(env.GATEWAY.getByName("any"), (gateway: Gateway): Pick<Gateway, "fetch"> =>
    Object.getPrototypeOf(gateway),
  );
  vi.spyOn(prototype, "fetch").mockImplementation(() => {
    throw error;
  });
}

it("tells who met an unexpected fault the id under which it is logged, and nothing else", async () => {
  const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
  vi.spyOn(crypto.subtle, "digest").mockImplementation(() => {
    throw new Error("a secret of the server");
  });

  const response = await request("/rpc", { headers: { Origin: "http://stream.test", Authorization: "Bearer any" } });

  const answer: { error: { data: { requestId: string } } } = await response.json();
  expect(response.status).toBe(500);
  // Also a page can read it.
  expect(response.headers.get("Access-Control-Allow-Origin")).toBe("http://stream.test");
  expect(answer).toEqual({
    jsonrpc: "2.0",
    id: null,
    error: { code: ErrorCode.InternalError, message: "internal error", data: { requestId: expect.any(String) } },
  });
  const lines = log.mock.calls.flat().map(String);
  expect(lines).toEqual([expect.stringContaining(answer.error.data.requestId)]);
});

it.each([
  ["is overloaded", { overloaded: true }, {}, 0],
  ["goes down", { durableObjectReset: true }, {}, 0],
  ["has a fault, which is logged", {}, { requestId: expect.any(String) }, 1],
])("answers a handshake 503 with Unavailable when its gateway %s", async (_what, marks, data, logged) => {
  const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
  await failHandshakes(Object.assign(new Error("a secret of the server"), marks));

  const response = await request("/rpc", {
    headers: { Authorization: `Bearer ${env.API_KEY}`, Upgrade: "websocket" },
  });

  const answer: { error: { data?: object } } = await response.json();
  expect(response.status).toBe(503);
  expect(answer).toMatchObject({
    id: null,
    error: { code: ErrorCode.Unavailable, message: "the gateway could not be reached; nothing was done" },
  });
  expect(answer.error.data ?? {}).toEqual(data);
  expect(log).toHaveBeenCalledTimes(logged);
});
