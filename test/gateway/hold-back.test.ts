import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";

import type { Gateway } from "../../src/gateway/gateway.ts";

const call = (method: string, params: object = {}) => JSON.stringify({ jsonrpc: "2.0", method, params });
const SMALL = call("none");
/** A hundred kilobytes, which take a megabyte when they are parsed. */
const LARGE = call("ack", { subscription: 1, sequences: Array.from({ length: 33_000 }, () => ({})) });
const BINARY = new ArrayBuffer(1);

it.each<[string, (string | ArrayBuffer)[], (string | ArrayBuffer)[]]>([
  ["64 calls", Array(63).fill(SMALL), [SMALL]],
  ["a thousand publishes or acks", Array(900).fill(call("ack")), Array(100).fill(call("ack"))],
  ["a megabyte", [], [LARGE]],
  ["as many frames behind its Close", [BINARY, ...Array<string>(63).fill("{")], ["{"]],
  ["as much behind its Close", [BINARY, ...Array<string>(9).fill(LARGE)], [LARGE]],
])("holds back what comes to it after %s, and not before", async (what, frames, more) => {
  const stub = env.GATEWAY.getByName(`held back after ${what}`);
  const { webSocket } = await stub.fetch("http://stream.test/rpc", { headers: { Upgrade: "websocket" } });

  await runInDurableObject(stub, async (gateway: Gateway, ctx) => {
    const holdBack = vi.spyOn(ctx, "blockConcurrencyWhile");
    const [ws] = ctx.getWebSockets();
    const take = async (frame: string | ArrayBuffer) => gateway.webSocketMessage(ws ?? expect.fail("no socket"), frame);

    const taken = frames.map(take);
    expect(holdBack).toHaveBeenCalledTimes(0);
    taken.push(...more.map(take));
    expect(holdBack).toHaveBeenCalledTimes(1);

    await Promise.all(taken);
    holdBack.mockRestore();
  });
  webSocket?.accept();
});
