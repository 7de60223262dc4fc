import { env } from "cloudflare:workers";
import { afterEach, expect, it, onTestFinished, vi } from "vitest";

import { ErrorCode, LIMITS } from "../../rpc/index.ts";
import { withBodyInMemory } from "../../src/objects/body-budget.ts";
import { Pool, Share } from "../../src/platform/isolate-budget.ts";
import { post, request } from "../harness/http.ts";

const PING = '{"jsonrpc":"2.0","id":1,"method":"getServerInfo"}';

afterEach(() => {
  vi.useRealTimers();
});

const work = async (): Promise<string> => "done";

/** Holds what is left of the isolate but for so many bytes, until the test is over. */
function fillBut(left: number): Share {
  const share = new Share();
  onTestFinished(() => share.set(0));
  expect(share.take(LIMITS.isolateBytes - left)).toBe(true);
  return share;
}

it("gives 48 MiB to all owners together, and what one gives back to the others", () => {
  const holding = fillBut(1_000);
  const other = new Share();
  onTestFinished(() => other.set(0));

  const taken = [other.take(1_001), other.take(1_000), other.take(1)];
  holding.release(1);

  expect(taken).toEqual([false, true, false]);
  expect(other.take(1)).toBe(true);
});

it("gives owners of a kind no more than their pool together, and leaves the others the rest", () => {
  fillBut(3_000);
  const pool = new Pool(2_000);
  const [first, second, other] = [new Share(pool), new Share(pool), new Share()];
  onTestFinished(() => [first, second, other].forEach((share) => share.set(0)));

  const taken = [first.take(1_500), second.take(501), second.take(500), other.take(1_000), other.take(1)];
  first.set(0);

  expect(taken).toEqual([true, false, true, true, false]);
  expect([second.take(1_501), second.take(1_500)]).toEqual([false, true]);
});

it("takes back what an owner that is gone has left, once it was not touched for a minute", () => {
  const lost = fillBut(0);
  const other = new Share();
  onTestFinished(() => other.set(0));

  vi.setSystemTime(Date.now() + 50_000);
  lost.touch();
  vi.setSystemTime(Date.now() + 50_000);
  const before = other.take(1);
  vi.setSystemTime(Date.now() + 10_000);

  expect([before, other.take(1)]).toEqual([false, true]);
});

it("takes back at once what an object held before it was reset", () => {
  const before = Share.ofObject("an object");
  before.take(LIMITS.isolateBytes);

  const after = Share.ofObject("an object");
  onTestFinished(() => after.set(0));

  expect(after.take(LIMITS.isolateBytes)).toBe(true);
});

it("makes nobody wait longer for room when the clock goes back", async () => {
  vi.setSystemTime(Date.now() + 3_600_000);
  fillBut(0);

  const waiting = new Share().whenTaken(1);
  vi.useRealTimers();

  expect((await waiting)?.code).toBe(ErrorCode.Busy);
});

it("counts the bodies of objects", async () => {
  fillBut(3_000);

  expect(await withBodyInMemory(1_000, work)).toBe("done");
  await expect(withBodyInMemory(1_001, work)).rejects.toMatchObject({ code: ErrorCode.Busy });
  expect(await withBodyInMemory(1_000, work)).toBe("done");
});

it("answers POST /rpc with 503, Busy and when to try again while there is no room, and as soon as there is", async () => {
  const holding = fillBut(0);
  const warnings = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  onTestFinished(() => warnings.mockRestore());

  const refused = await post(PING);
  const waiting = post(PING);
  holding.set(0);

  expect(refused).toMatchObject({
    status: 503,
    body: { error: { code: ErrorCode.Busy, data: { what: "isolateBytes", retryAfterMs: expect.any(Number) } } },
  });
  expect(await waiting).toMatchObject({ status: 200, body: { id: 1 } });
  expect(JSON.parse(String(warnings.mock.calls[0]?.[0]))).toMatchObject({
    level: "warn",
    what: "a call is refused, as too much is held for clients",
    heldBytes: LIMITS.isolateBytes,
  });
});

it("still counts when a body's length is said to be no number", async () => {
  const headers = { Authorization: `Bearer ${env.API_KEY}`, "Content-Length": "many" };
  const { status } = await request("/rpc", { method: "POST", body: PING, headers });
  const all = new Share();
  onTestFinished(() => all.set(0));

  expect(status).toBe(200);
  expect([all.take(LIMITS.isolateBytes), all.take(1)]).toEqual([true, false]);
});

it.for(["read", "cancelled"])("counts the answer to POST /rpc until it is %s", async (end) => {
  // Pairs of surrogates at every place where a chunk may end.
  const state = `a${"\u{1f600}".repeat(50_000)}`;
  await post(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "putState", params: { stream: `unread-${end}`, state } }));
  const all = new Share();
  onTestFinished(() => all.set(0));
  const body = JSON.stringify({ jsonrpc: "2.0", id: 2, method: "getState", params: { stream: `unread-${end}` } });

  const response = await request("/rpc", { method: "POST", body });
  const whileUnread = all.take(LIMITS.isolateBytes);
  const answer = end === "read" ? await response.json() : await response.body?.cancel();

  expect(whileUnread).toBe(false);
  expect(answer).toEqual(
    end === "read" ? expect.objectContaining({ result: expect.objectContaining({ state }) }) : undefined,
  );
  await expect.poll(() => all.take(LIMITS.isolateBytes)).toBe(true);
});
