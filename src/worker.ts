import { CloseCode, RpcError, SUBPROTOCOL } from "../rpc/index.ts";

import { gatewayAt } from "./gateway/pick-gateway.ts";
import { authenticate, offeredProtocols } from "./http/auth.ts";
import type { Credentials } from "./http/auth.ts";
import { answerHttp } from "./http/rpc.ts";
import { objectTarget, streamOfPath } from "./internal/routes.ts";
import { answerObjects } from "./objects/http/object-http.ts";
import { asOutcome } from "./platform/call-object.ts";
import { errorResponse } from "./platform/error-response.ts";
import { closeMs } from "./platform/settings.ts";

export { Directory } from "./directory/directory.ts";
export { Gateway } from "./gateway/gateway.ts";
export { Upload } from "./objects/upload/upload.ts";
export { DurableStreams } from "./binding/durable-streams.ts";
export { Stream } from "./stream/stream.ts";

/** WWW-Authenticate (RFC 6750 section 3): a request without credentials is told no error code. */
const CHALLENGES = {
  missing: 'Bearer realm="durable-stream"',
  invalid: 'Bearer realm="durable-stream", error="invalid_token"',
} as const;

export default {
  async fetch(request, env, ctx): Promise<Response> {
    try {
      return await route(request, env, ctx);
    } catch (error) {
      return errorResponse(500, error);
    }
  },
} satisfies ExportedHandler<Env>;

/** Routes a request. Credentials are checked before any Durable Object is called. */
async function route(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/health") {
    return isRead(request) ? Response.json({ status: "ok" }) : notAllowed("GET, HEAD");
  }
  const credentials = await authenticate(request, env.API_KEY);
  if (credentials !== "valid") {
    return refuse(request, credentials, ctx);
  }
  const target = objectTarget(request.url);
  if (target !== undefined) {
    return answerObjects(request, env, target);
  }
  if (pathname !== "/rpc" && streamOfPath(pathname) === undefined) {
    return errorResponse(404, new RpcError("NotFound", "no such path", { what: "path" }));
  }
  if (isHandshake(request)) {
    return connect(request, env);
  }
  if (pathname === "/rpc" && request.method === "POST") {
    return answerHttp(request, env);
  }
  if (!isRead(request)) {
    return notAllowed(pathname === "/rpc" ? "GET, POST" : "GET");
  }
  const error = new RpcError("InvalidRequest", "expected a WebSocket handshake or POST /rpc");
  return errorResponse(426, error, { Upgrade: "websocket" });
}

function notAllowed(allow: string): Response {
  return errorResponse(405, new RpcError("InvalidRequest", "the method is not allowed here"), { Allow: allow });
}

function isRead({ method }: Request): boolean {
  return method === "GET" || method === "HEAD";
}

/** Passes a handshake on to one of this location's gateways; 503 when that can not be reached. */
async function connect(request: Request, env: Env): Promise<Response> {
  const colo = typeof request.cf?.colo === "string" ? request.cf.colo : "local";
  const headers = new Headers(request.headers);
  // The gateway needs no credentials.
  headers.delete("Authorization");
  headers.delete("Sec-WebSocket-Protocol");
  if (offeredProtocols(request.headers).includes(SUBPROTOCOL)) {
    headers.set("Sec-WebSocket-Protocol", SUBPROTOCOL);
  }
  try {
    // Passed on by fetch, because a WebSocket can not cross an RPC boundary; everything else is a method call.
    return await gatewayAt(env, colo).fetch(new Request(request.url, { headers }));
  } catch (error) {
    return errorResponse(503, asOutcome(error, "reads", { what: "the gateway" }));
  }
}

function isHandshake(request: Request): boolean {
  return request.method === "GET" && request.headers.get("Upgrade")?.toLowerCase() === "websocket";
}

function refuse(request: Request, credentials: Exclude<Credentials, "valid">, ctx: ExecutionContext): Response {
  // A browser does not show the status of a failed handshake to its page: accept the socket and send a close code.
  const needsCloseCode = isHandshake(request) && offeredProtocols(request.headers).includes(SUBPROTOCOL);
  if (credentials === "unconfigured") {
    return needsCloseCode
      ? refuseSocket(ctx, CloseCode.Unconfigured, "no API_KEY is configured")
      : errorResponse(503, new RpcError("Unavailable", "no API_KEY is configured"));
  }
  if (needsCloseCode) {
    return refuseSocket(ctx, CloseCode.Unauthenticated, "no valid credentials");
  }
  const message = credentials === "missing" ? "no credentials" : "the key is not the server's";
  return errorResponse(401, new RpcError("Unauthenticated", message), { "WWW-Authenticate": CHALLENGES[credentials] });
}

function refuseSocket(ctx: ExecutionContext, code: number, reason: string): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  ctx.waitUntil(dropUnanswered(server, ctx));
  server.accept();
  server.close(code, reason);
  return new Response(null, { status: 101, webSocket: client, headers: { "Sec-WebSocket-Protocol": SUBPROTOCOL } });
}

/** Drops the connection of a peer that does not answer a Close, by aborting the request that it belongs to. */
async function dropUnanswered(server: WebSocket, ctx: ExecutionContext): Promise<void> {
  const isAnswered = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), closeMs());
    server.addEventListener("close", () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
  if (!isAnswered) {
    ctx.abort("the peer does not answer a Close");
  }
}
