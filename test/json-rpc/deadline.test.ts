import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import { SHORT_DEADLINE_MS, shortenRequestDeadline } from "../harness/waits.ts";
import { holdStream } from "../harness/hold.ts";
import { post, request } from "../harness/http.ts";

/** Sends one request on a socket of its own and waits as long as its answer takes. */
async function ask(method: string, params: object): Promise<unknown> {
  const headers = { Authorization: `Bearer ${env.API_KEY}`, Upgrade: "websocket" };
  const { webSocket: ws } = await request("/rpc", { headers });
  const answered = new Promise<string>((resolve) => {
    ws?.addEventListener("message", ({ data }) => resolve(String(data)), { once: true });
  });
  ws?.accept();
  ws?.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
  return JSON.parse(await answered);
}

it("answers within the request deadline when a stream does not, and never calls undone what may be done", async () => {
  const client = await connect();
  const stream = "stuck";
  await client.call("publish", { stream, data: 0 });
  const release = await holdStream(stream);
  shortenRequestDeadline();
  const startedAt = Date.now();
  const publish = { stream, data: 1, id: "the-id" };

  const answers = await Promise.all([
    ask("publish", publish),
    ask("putState", { stream, state: 1 }),
    ask("getMessages", { stream }),
    post(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "publish", params: { stream, data: 2 } })).then(
      ({ body }) => body,
    ),
  ]);
  const elapsedMs = Date.now() - startedAt;
  await release();
  // Unavailable until the call that was given up has come back.
  const again = await vi.waitFor(() => client.call("publish", publish), 10_000);

  expect(answers).toMatchObject([
    { id: 1, error: { code: ErrorCode.OutcomeUnknown } },
    { id: 1, error: { code: ErrorCode.OutcomeUnknown } },
    { id: 1, error: { code: ErrorCode.Unavailable } },
    { id: 1, error: { code: ErrorCode.OutcomeUnknown } },
  ]);
  expect(elapsedMs).toBeGreaterThanOrEqual(SHORT_DEADLINE_MS - 100);
  expect(elapsedMs).toBeLessThan(SHORT_DEADLINE_MS + 3_000);
  expect(again.duplicate).toBe(true);
  const { messages } = await client.call("getMessages", { stream });
  expect(messages.filter(({ data }) => data === 1)).toHaveLength(1);
});
