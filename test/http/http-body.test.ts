import { env } from "cloudflare:workers";
import { expect, it, onTestFinished, vi } from "vitest";

import { ErrorCode, LIMITS } from "../../rpc/index.ts";
import { request } from "../harness/http.ts";
import { overrideWait } from "../harness/waits.ts";

it("reads a body of unknown length no further than a frame may be", async () => {
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      sent += 1;
      controller.enqueue(new TextEncoder().encode(" ".repeat(65_536)));
    },
  });

  const response = await request("/rpc", { method: "POST", body: endless });

  expect(response.status).toBe(413);
  expect(sent).toBeLessThan(200);
  await response.body?.cancel();
});

it.each([undefined, "0", "10", "100000", String(LIMITS.frameBytes), String(2 * LIMITS.frameBytes)])(
  "reads a body whole, whatever its Content-Length says, as %s",
  async (length) => {
    const answered = async (text: string) => {
      const pieces = new ReadableStream<Uint8Array>({
        start: (controller) => {
          for (let at = 0; at < text.length; at += 300_000) {
            controller.enqueue(new TextEncoder().encode(text.slice(at, at + 300_000)));
          }
          controller.close();
        },
      });
      const response = await posted(pieces, length);
      return { status: response.status, body: await response.json() };
    };

    expect(await answered("{")).toMatchObject({ status: 200, body: { error: { code: ErrorCode.ParseError } } });
    expect(await answered(callOf(LIMITS.frameBytes))).toMatchObject({ status: 200, body: { result: { state: null } } });
    expect(await answered(callOf(LIMITS.frameBytes + 1))).toMatchObject({ status: 413 });
  },
);

/** A post that says it is as long as it may be, and sends so many bytes of it. */
function stalled(bytes: number): Promise<Response> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  void writer.write(new TextEncoder().encode("{".padEnd(bytes))).catch(() => undefined);
  const response = posted(readable, LIMITS.frameBytes);
  // The next test begins with all room.
  onTestFinished(async () => {
    await writer.abort().catch(() => undefined);
    await response.catch(() => undefined);
  });
  return response;
}

function posted(body: ReadableStream | string, length?: number | string): Promise<Response> {
  const headers = {
    Authorization: `Bearer ${env.API_KEY}`,
    ...(length === undefined ? {} : { "Content-Length": String(length) }),
  };
  return request("/rpc", { method: "POST", headers, body });
}

it("answers 408 when the body does not come in time, and has its room for others", async () => {
  overrideWait("REQUEST_DEADLINE_MS", 50);
  const warnings = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  onTestFinished(() => warnings.mockRestore());

  // With its room each is so large that some wait for it.
  const late = await Promise.all(Array.from({ length: 6 }, () => stalled(70_000)));

  expect(late.map(({ status }) => status)).toEqual(Array(6).fill(408));
  expect(JSON.parse(String(warnings.mock.calls[0]?.[0]))).toMatchObject({
    level: "warn",
    what: "a body is refused, as it comes too slowly",
    bytes: expect.any(Number),
  });
  expect(late[0]?.headers.get("Retry-After")).toBe("2");
  const answers = await Promise.all(late.map((response) => response.json()));
  expect(answers[0]).toMatchObject({ id: null, error: { code: ErrorCode.Busy, data: { retryAfterMs: 2_000 } } });
});

it("keeps nobody out for bodies that do not come", async () => {
  overrideWait("REQUEST_DEADLINE_MS", 600_000);
  for (let count = 0; count < 40; count += 1) {
    void stalled(1).catch(() => undefined);
  }

  const large = await posted(callOf(LIMITS.frameBytes));
  const chunked = await posted(new Blob([callOf(100)]).stream());

  expect(await large.json()).toMatchObject({ result: { state: null } });
  expect(await chunked.json()).toMatchObject({ result: { state: null } });
});

it("answers small posts while bodies that do not come hold all the room that there is for beginnings", async () => {
  overrideWait("REQUEST_DEADLINE_MS", 600_000);
  // Each holds 64 KiB of 4 MiB.
  for (let count = 0; count < 80; count += 1) {
    void stalled(60_000).catch(() => undefined);
  }

  for (let count = 0; count < 20; count += 1) {
    const small = await posted(callOf(100), 100);
    expect(await small.json()).toMatchObject({ result: { state: null } });
  }
});

it("ends a body that stalls when others wait for the room that it has", async () => {
  overrideWait("REQUEST_DEADLINE_MS", 3_000);
  const stalling = Array.from({ length: 2 }, () => stalled(70_000));

  const large = await posted(callOf(LIMITS.frameBytes));

  expect(await large.json()).toMatchObject({ result: { state: null } });
  const ended = await Promise.race(stalling);
  expect(ended.status).toBe(408);
  await ended.body?.cancel();
});

/** A call in so many bytes. */
function callOf(bytes: number): string {
  return '{"jsonrpc":"2.0","id":1,"method":"getState","params":{"stream":"frames"}}'.padEnd(bytes);
}
