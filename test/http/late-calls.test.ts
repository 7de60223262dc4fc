import { expect, it, onTestFinished } from "vitest";

import { ErrorCode } from "../../rpc/index.ts";
import type { Access } from "../../src/access/access.ts";
import { holdStream } from "../harness/hold.ts";
import { request } from "../harness/http.ts";
import { binding, failure } from "../harness/service.ts";
import { tokenFor } from "../harness/tokens.ts";

/** How far the clocks of an issuer and the server may be apart. */
const SKEW_MS = 60_000;
const REFUSED = { code: ErrorCode.Unauthenticated, data: { reason: "expired" } };

/** An access whose token is taken for a moment more, and when it is not. */
function endingSoon(): { access: Access; endsAt: number } {
  const endsAt = Date.now() + 1_000;
  const rights = [{ streams: [">"], actions: ["read" as const, "publish" as const] }];
  return { access: { rights, expiresAt: endsAt - SKEW_MS }, endsAt };
}

function callOf(method: string, params: object) {
  return { jsonrpc: "2.0", id: method, method, params };
}

async function whenOver(endsAt: number): Promise<void> {
  await expect.poll(() => Date.now(), { timeout: 5_000 }).toBeGreaterThan(endsAt);
}

it("does nothing that a body says when the token that came before it has ended", async () => {
  const { access, endsAt } = endingSoon();
  const calls = ["publish", "getStreamInfo"].map((method) =>
    callOf(method, method === "publish" ? { stream: "slow-body", data: 1 } : { stream: "slow-body" }),
  );
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const headers = { Authorization: `Bearer ${await tokenFor(access)}` };
  const answering = request("/rpc", { method: "POST", headers, body: readable });
  await writer.write(new TextEncoder().encode("["));

  await whenOver(endsAt);
  await writer.write(new TextEncoder().encode(JSON.stringify(calls).slice(1)));
  await writer.close();

  const answers = await (await answering).json();
  expect(answers).toMatchObject([{ error: REFUSED }, { error: REFUSED }]);
  expect(await failure(binding().getStreamInfo({ stream: "slow-body" }))).toMatchObject({ code: ErrorCode.NotFound });
});

it("does not begin the calls of a batch that are behind the end of its token", async () => {
  await binding().publish({ stream: "long-batch", data: 1 });
  const { access, endsAt } = endingSoon();
  const headers = { Authorization: `Bearer ${await tokenFor(access)}` };
  const release = await holdStream("long-batch");
  onTestFinished(release);
  const body = JSON.stringify([
    callOf("getStreamInfo", { stream: "long-batch" }),
    callOf("publish", { stream: "long-batch", data: 2 }),
  ]);
  const answering = request("/rpc", { method: "POST", headers, body });

  await whenOver(endsAt);
  await release();

  expect(await (await answering).json()).toMatchObject([{ result: { lastSequence: 1 } }, { error: REFUSED }]);
  expect(await binding().getStreamInfo({ stream: "long-batch" })).toMatchObject({ lastSequence: 1 });
});
