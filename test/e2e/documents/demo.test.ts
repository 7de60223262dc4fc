import { join } from "node:path";

import { describe, expect, inject } from "vitest";

import { makeCheckout, NpmScript } from "../server/checkout.ts";
import { freePort } from "../server/free-port.ts";
import { test } from "../server/fixtures.ts";
import { API_KEY, Server } from "../server/server.ts";

const CITIES = "7,329";

describe("npm run demo", () => {
  test("starts a server, shows that all came once and in order, and ends the server", async ({ data: checkout }) => {
    await makeCheckout(checkout);
    const url = `http://127.0.0.1:${await freePort()}`;
    await using demo = new NpmScript(checkout, "demo", ["--url", url]);

    await demo.untilOutput(/first\s+joins from the first message/);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    await demo.untilExited();

    expect(demo.output).toContain(`${url}, started for this`);
    expectSuccess(demo);
    await demo.untilGroupIsGone();
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  test("uses a server that runs, leaves it running and nothing on it", async ({ server, data: checkout }) => {
    await makeCheckout(checkout);
    await using demo = new NpmScript(checkout, "demo", ["--url", server.url], { API_KEY });

    await demo.untilExited();

    expect(demo.output).toContain(`${server.url}, which was running`);
    expectSuccess(demo);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    const stream = /cities to (demo-\d+)/.exec(demo.output)?.[1];
    expect(await streamInfo(server.url, stream)).toMatchObject({ error: { code: -32_003 } });
  });

  test("ends with exit code 1 and the reason when something is refused", async ({ data: checkout }) => {
    await makeCheckout(checkout);
    const vars = { MAX_STREAM_BYTES: "100000" };
    await using server = new Server({ worker: inject("worker"), data: join(checkout, "data"), vars });
    await server.start();
    await using demo = new NpmScript(checkout, "demo", ["--url", server.url], { API_KEY });

    await demo.untilExited();

    expect(demo.output).toMatch(/✗ StorageFull/);
    expect(demo.exitCode).toBe(1);
  });
});

/** Everything in the table and below it is as it should be. */
function expectSuccess(demo: NpmScript): void {
  expect(demo.output).toMatch(/late\s+lost its connection after sequence [\d,]+, and its client goes on/);
  expect(demo.output).toMatch(/^ +acknowledged +[\d,]+ {3}first at +[\d,]+ {3}slow at +[\d,]+ {3}late at +[\d,]+$/m);
  expect(demo.output.match(/ checkpoint\s+\d+:/g)).toHaveLength(5);
  expect(rowOf(demo, "published")).toEqual(["1", CITIES]);
  const followers = ["first", "slow", "late"].map((name) => rowOf(demo, name));
  expect(followers).toEqual(followers.map(([from, messages]) => [from, messages, messages, "yes", "0", "0", "0"]));
  expect(followers[0]?.slice(0, 2)).toEqual(["1", CITIES]);
  expect(followers[2]?.slice(0, 2)).toEqual(["2,000", "5,330"]);
  expect(demo.output.match(/^ {2}✓ .*$/gm)).toHaveLength(4);
  expect(demo.output).not.toContain("✗");
  expect(demo.exitCode).toBe(0);
}

/** The cells of one row of the table, without its name. */
function rowOf(demo: NpmScript, name: string): string[] {
  const [, , table = ""] = demo.output.split(/^ +from +messages.*$|^ *─+$/m);
  return new RegExp(`^ {2}${name} +(.*)$`, "m").exec(table)?.[1]?.trim().split(/ +/) ?? [];
}

async function streamInfo(url: string, stream: string | undefined): Promise<unknown> {
  const response = await fetch(`${url}/rpc`, {
    method: "POST",
    headers: { Authorization: `Bearer ${API_KEY}`, "Content-Type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "getStreamInfo", params: { stream } }),
  });
  return response.json();
}
