import { env } from "cloudflare:workers";
import * as v from "valibot";
import { describe, expect, it } from "vitest";

import { CloseCode, ErrorCode, LIMITS, METHODS, openRpcDocument } from "../../rpc/index.ts";
import packageJson from "../../package.json" with { type: "json" };
import { SERVER } from "../../src/platform/version.ts";
import { connect } from "../harness/client.ts";
import { postCall, request } from "../harness/http.ts";

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
    ["nothing", undefined],
    ["anything", "*/*"],
    ["JSON", "application/json, text/htmlx"],
  ])("tells anybody at / that asks for %s what it is", async (_, accept) => {
    const response = await request("/", { headers: accept === undefined ? {} : { Accept: accept } });

    expect(response.status).toBe(200);
    expect(response.headers.get("Vary")).toBe("Accept");
    expect(await response.json()).toMatchObject({ name: "durable-stream", version: packageJson.version, rpc: "/rpc" });
  });

  it.each([
    ["GET", "/rpc", 426],
    ["GET", "/stream/orders", 426],
    ["GET", "/index.html", 404],
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

  it.each([
    ["PUT", "/rpc", "GET, POST"],
    ["DELETE", "/rpc", "GET, POST"],
    ["OPTIONS", "/rpc", "GET, POST"],
    ["PATCH", "/rpc", "GET, POST"],
    ["PUT", "/stream/orders", "GET"],
    ["POST", "/stream/orders", "GET"],
    ["DELETE", "/health", "GET, HEAD"],
    ["POST", "/", "GET, HEAD"],
  ])("answers %s %s with 405 and what it allows", async (method, path, allow) => {
    const headers = { Authorization: `Bearer ${env.API_KEY}` };

    const response = await request(path, { method, headers });

    expect(response.status).toBe(405);
    expect(response.headers.get("Allow")).toBe(allow);
    expect(await response.json()).toMatchObject({ id: null, error: { code: ErrorCode.InvalidRequest } });
  });

  it("says of GET without a handshake what to upgrade to", async () => {
    for (const path of ["/rpc", "/stream/orders"]) {
      const response = await request(path);

      expect(response.status).toBe(426);
      expect(response.headers.get("Upgrade")).toBe("websocket");
      await response.text();
    }
  });

  it.each(["gzip", "br", "deflate", "identity, gzip"])(
    "answers a body in %s with 415, and runs nothing",
    async (coding) => {
      const body = '{"jsonrpc":"2.0","id":1,"method":"publish","params":{"stream":"coded","data":1}}';
      const headers = { Authorization: `Bearer ${env.API_KEY}`, "Content-Encoding": coding };

      const response = await request("/rpc", { method: "POST", body, headers });
      const info = await postCall("getStreamInfo", { stream: "coded" });

      expect(response.status).toBe(415);
      expect(response.headers.get("Accept-Encoding")).toBe("identity");
      expect(await response.json()).toMatchObject({ id: null, error: { code: ErrorCode.InvalidRequest } });
      expect(info).toMatchObject({ error: { code: ErrorCode.NotFound } });
    },
  );

  it("takes a body whose encoding is said to be identity", async () => {
    const body = '{"jsonrpc":"2.0","id":1,"method":"getServerInfo"}';
    const headers = { Authorization: `Bearer ${env.API_KEY}`, "Content-Encoding": "Identity" };

    const response = await request("/rpc", { method: "POST", body, headers });

    expect(response.status).toBe(200);
    expect(await response.json()).toHaveProperty("result");
  });

  it.each([
    ["/stream/.hidden", /^the stream in the path has to be named by 1 to 128 of /],
    ["/stream/a%20b", /^the stream in the path has to be named by 1 to 128 of /],
    ["/orders", /^no such path: .*\/stream\/<name>$/],
  ])("accepts no socket on %s, and says why", async (path, message) => {
    const headers = { Authorization: `Bearer ${env.API_KEY}`, Upgrade: "websocket" };

    const response = await request(path, { headers });

    expect(response.status).toBe(404);
    expect(response.webSocket).toBeNull();
    expect(await response.json()).toMatchObject({
      error: { code: ErrorCode.NotFound, message: expect.stringMatching(message), data: { what: "path" } },
    });
  });

  it("closes with 4404 and why where the status can not be seen", async () => {
    const client = await connect("/stream/a%20b", { "Sec-WebSocket-Protocol": "durable-stream.v1" });

    const closed = await client.until(() => client.closed, "the socket to be closed");

    expect(closed.code).toBe(CloseCode.NotFound);
    expect(closed.reason).toMatch(/^the stream in the path /);
  });
});
