import { env } from "cloudflare:workers";
import * as v from "valibot";
import { describe, expect, it } from "vitest";

import { LIMITS, METHODS, openRpcDocument } from "../../rpc/index.ts";
import packageJson from "../../package.json" with { type: "json" };
import { SERVER } from "../../src/version.ts";
import { connect } from "../client.ts";
import { postCall, request } from "./http.ts";

it("has the name and version of its package", () => {
  expect(SERVER).toEqual({ name: packageJson.name, version: packageJson.version });
});

describe("getServerInfo", () => {
  it("tells name, version, time, connection and every limit", async () => {
    const client = await connect();
    const before = Date.now();

    const info = await client.call("getServerInfo", {});

    expect(info).toEqual({
      name: packageJson.name,
      version: packageJson.version,
      time: expect.any(Number),
      connection: {
        gateway: expect.stringMatching(/^local-[01]$/),
        gatewayStartedAt: expect.any(Number),
        connectedAt: expect.any(Number),
      },
      limits: { ...LIMITS, streamBytes: Number(env.MAX_STREAM_BYTES) },
    });
    expect(info.time).toBeGreaterThanOrEqual(before);
    expect(v.is(METHODS.getServerInfo.result, info)).toBe(true);
  });

  it("knows no connection over HTTP", async () => {
    const answer = await postCall("getServerInfo", {});

    expect(answer).toMatchObject({ result: { name: "durable-stream" } });
    expect(answer).not.toHaveProperty("result.connection");
  });
});

it("describes itself by rpc.discover, the same on every transport", async () => {
  const client = await connect();

  const document = await client.call("rpc.discover", {});
  const answer = await postCall("rpc.discover", {});

  expect(document).toEqual(JSON.parse(JSON.stringify(openRpcDocument(packageJson.version))));
  expect(answer).toMatchObject({ result: document });
});

describe("paths", () => {
  it("tells anybody that it is up", async () => {
    const response = await request("/health", { headers: {} });

    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok" });
  });

  it.each([
    ["GET", "/rpc", 426],
    ["PUT", "/rpc", 426],
    ["GET", "/stream/orders", 426],
    ["POST", "/stream/orders", 426],
    ["GET", "/", 404],
    ["GET", "/stream/", 404],
    ["GET", "/stream/.hidden", 404],
    ["GET", "/stream/a/b", 404],
    ["GET", "/stream/%61", 404],
    ["GET", "/health/", 404],
    ["GET", "/RPC", 404],
  ])("answers %s %s with %i and a JSON-RPC error", async (method, path, status) => {
    const headers = { Authorization: `Bearer ${env.API_KEY}` };

    const response = await request(path, { method, headers });

    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ jsonrpc: "2.0", id: null, error: { code: expect.any(Number) } });
  });

  it("accepts no socket on a path that names no stream", async () => {
    const headers = { Authorization: `Bearer ${env.API_KEY}`, Upgrade: "websocket" };

    const response = await request("/stream/.hidden", { headers });

    expect(response.status).toBe(404);
    expect(response.webSocket).toBeNull();
  });
});
