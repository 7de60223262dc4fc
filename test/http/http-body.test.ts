import { env } from "cloudflare:workers";
import { expect, it, onTestFinished } from "vitest";

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

it.each([undefined, "0", "10", String(LIMITS.frameBytes), String(2 * LIMITS.frameBytes)])(
  "reads a body whole, whatever its Content-Length says, as %s",
  async (length) => {
    const posted = async (text: string) => {
      const pieces = new ReadableStream<Uint8Array>({
        start: (controller) => {
          for (let at = 0; at < text.length; at += 300_000) {
            controller.enqueue(new TextEncoder().encode(text.slice(at, at + 300_000)));
          }
          controller.close();
        },
      });
      const headers = {
        Authorization: `Bearer ${env.API_KEY}`,
        ...(length === undefined ? {} : { "Content-Length": length }),
      };
      const response = await request("/rpc", { method: "POST", body: pieces, headers });
      return { status: response.status, body: await response.json() };
    };

    expect(await posted("{")).toMatchObject({ status: 200, body: { error: { code: ErrorCode.ParseError } } });
    expect(await posted(callOf(LIMITS.frameBytes))).toMatchObject({ status: 200, body: { result: { state: null } } });
    expect(await posted(callOf(LIMITS.frameBytes + 1))).toMatchObject({ status: 413 });
  },
);

it("answers 408 when the body does not come in time, and has its room for others", async () => {
  overrideWait("REQUEST_DEADLINE_MS", 50);
  const headers = { Authorization: `Bearer ${env.API_KEY}`, "Content-Length": String(LIMITS.frameBytes) };
  const posted = () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    onTestFinished(() => writer.abort().catch(() => undefined));
    void writer.write(new TextEncoder().encode("{")).catch(() => undefined);
    return request("/rpc", { method: "POST", headers, body: readable });
  };

  // Each takes its room for a large body: all of them more than there is, so that some wait for it.
  const late = await Promise.all(Array.from({ length: 6 }, posted));

  expect(late.map(({ status }) => status)).toEqual(Array(6).fill(408));
  const answers = await Promise.all(late.map((response) => response.json()));
  expect(answers[0]).toMatchObject({ id: null, error: { code: ErrorCode.InvalidRequest } });
});

/** A call in so many bytes. */
function callOf(bytes: number): string {
  return '{"jsonrpc":"2.0","id":1,"method":"getState","params":{"stream":"frames"}}'.padEnd(bytes);
}
