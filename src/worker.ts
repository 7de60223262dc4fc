import { LIMITS, RpcError } from "../rpc/index.ts";

import { authenticate, offeredProtocols, SUBPROTOCOL } from "./auth.ts";
import { CloseCode } from "./gateway/closing.ts";
import { gatewayAt } from "./gateway-at.ts";
import { answerHttp, rpcError } from "./http-rpc.ts";
import { answerObjects } from "./objects/object-http.ts";
import { objectTarget, streamOfPath } from "./routes.ts";

export { Gateway } from "./gateway/gateway.ts";
export { Upload } from "./objects/upload.ts";
export { DurableStreams } from "./service.ts";
export { Stream } from "./stream/stream.ts";

export default {
  async fetch(request, env, ctx): Promise<Response> {
    try {
      return await route(request, env, ctx);
    } catch (error) {
      return rpcError(500, error);
    }
  },
} satisfies ExportedHandler<Env>;

/** Sends a request where it belongs, once its caller is known: no Durable Object is touched before. */
async function route(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/health") {
    return Response.json({ status: "ok" });
  }
  const credentials = await authenticate(request, env.API_KEY);
  if (credentials !== "valid") {
    return refuse(request, credentials, ctx);
  }
  const target = objectTarget(request.url);
  if (target !== undefined) {
    return answerObjects(request, env, target);
  }
  const isSocketPath = pathname === "/rpc" || streamOfPath(pathname) !== undefined;
  if (isSocketPath && isHandshake(request)) {
    return connect(request, env);
  }
  if (pathname === "/rpc" && request.method === "POST") {
    return answerHttp(request, env);
  }
  if (isSocketPath) {
    const allow = pathname === "/rpc" ? "POST" : "GET";
    return rpcError(426, new RpcError("InvalidRequest", "expected a WebSocket handshake or POST /rpc"), {
      Allow: allow,
      Upgrade: "websocket",
    });
  }
  return rpcError(404, new RpcError("NotFound", "no such path", { what: "path" }));
}

/** Hands a handshake to one of this location's gateways. */
function connect(request: Request, env: Env): Promise<Response> {
  const colo = typeof request.cf?.colo === "string" ? request.cf.colo : "local";
  const headers = new Headers(request.headers);
  // The credentials have done their work: they go no further.
  headers.delete("Authorization");
  headers.delete("Sec-WebSocket-Protocol");
  if (offeredProtocols(request.headers).includes(SUBPROTOCOL)) {
    headers.set("Sec-WebSocket-Protocol", SUBPROTOCOL);
  }
  // The one request handed on by fetch, because a WebSocket can not cross an RPC boundary; all else is method calls.
  return gatewayAt(env, colo).fetch(new Request(request.url, { headers }));
}

function isHandshake(request: Request): boolean {
  return request.method === "GET" && request.headers.get("Upgrade")?.toLowerCase() === "websocket";
}

function refuse(request: Request, credentials: "invalid" | "unconfigured", ctx: ExecutionContext): Response {
  if (credentials === "unconfigured") {
    return rpcError(503, new RpcError("Unavailable", "no API_KEY is configured"));
  }
  // A browser is not shown the status of a failed handshake: it is let in as far as the close code.
  if (isHandshake(request) && offeredProtocols(request.headers).includes(SUBPROTOCOL)) {
    return refuseSocket(ctx);
  }
  return rpcError(401, new RpcError("Unauthenticated", "no valid credentials"), { "WWW-Authenticate": "Bearer" });
}

function refuseSocket(ctx: ExecutionContext): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  ctx.waitUntil(dropUnanswered(server, ctx));
  server.accept();
  server.close(CloseCode.Unauthenticated, "no valid credentials");
  return new Response(null, { status: 101, webSocket: client, headers: { "Sec-WebSocket-Protocol": SUBPROTOCOL } });
}

/** Drops the connection of a peer that does not answer a Close: it goes with the request that it belongs to. */
async function dropUnanswered(server: WebSocket, ctx: ExecutionContext): Promise<void> {
  const isAnswered = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), LIMITS.closeMs);
    server.addEventListener("close", () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
  if (!isAnswered) {
    ctx.abort("the peer does not answer a Close");
  }
}
