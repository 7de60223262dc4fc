import { CloseCode, RpcError, SUBPROTOCOL } from "../rpc/index.ts";

import type { Access } from "./access/access.ts";
import { authenticate } from "./access/authenticate.ts";
import type { Refusal } from "./access/authenticate.ts";
import { offeredProtocols } from "./access/credential.ts";
import { openSocket } from "./gateway/open-socket.ts";
import { answerAsset, answerRoot } from "./http/console.ts";
import { RequestOrigin } from "./http/origins.ts";
import { answerHttp } from "./http/rpc.ts";
import { objectTarget, streamOfPath } from "./internal/routes.ts";
import { answerObjects } from "./objects/http/object-http.ts";
import { answerSigned } from "./objects/http/signed-object.ts";
import { isSigned } from "./objects/object-url.ts";
import { asOutcome } from "./platform/call-object.ts";
import { errorResponse } from "./platform/error-response.ts";
import { turnFor } from "./platform/scheduling/pace.ts";
import { closeMs } from "./platform/settings.ts";

export { Directory } from "./directory/directory.ts";
export { Gateway } from "./gateway/gateway.ts";
export { Upload } from "./objects/upload/upload.ts";
export { DurableStreams } from "./binding/durable-streams.ts";
export { Stream } from "./stream/stream.ts";

/** WWW-Authenticate (RFC 6750 section 3). */
const CHALLENGE = 'Bearer realm="durable-stream"';

/**
 * A small request takes half of it, one that is refused much of it. Of thousands that come at once few have begun at a time,
 * so that what has begun is done soon and others come between them.
 */
const REQUEST_MS = 0.8;

/** How long a client may wait before it tries again what may succeed later, in seconds. */
const RETRY_AFTER_S = "5";

export default {
  async fetch(request, env, ctx): Promise<Response> {
    await turnFor(REQUEST_MS);
    const origin = new RequestOrigin(request, env.ALLOWED_ORIGINS);
    const answer = async () => origin.preflight() ?? (await route(request, env, ctx));
    try {
      return origin.share(origin.isForbidden ? refuseOrigin(request, ctx) : await answer());
    } catch (error) {
      return origin.share(errorResponse(500, error));
    }
  },
} satisfies ExportedHandler<Env>;

/**
 * Routes a request. Credentials, or the signature of a URL, are checked before anything else is called; the console and
 * `/health` are for anybody.
 */
async function route(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/health") {
    return isRead(request) ? Response.json({ status: "ok" }) : notAllowed("GET, HEAD");
  }
  const target = objectTarget(request.url);
  if (target !== undefined && target.path !== "" && isSigned(target.query)) {
    return answerSigned(request, env, target);
  }
  // Not by the path alone: that of `/r2/..` is `/` too.
  if (target === undefined && (pathname === "/" || pathname.startsWith("/assets/"))) {
    return isRead(request) ? await answerConsole(request, env, pathname) : notAllowed("GET, HEAD");
  }
  const access = await authenticate(request, env);
  if ("refused" in access) {
    return refuse(request, access, ctx);
  }
  if (target !== undefined) {
    return answerObjects(request, { env, access }, target);
  }
  if (pathname !== "/rpc" && streamOfPath(pathname) === undefined) {
    return refusePath(request, pathname, ctx);
  }
  if (isHandshake(request)) {
    return connect(request, { env, access, ctx });
  }
  if (pathname === "/rpc" && request.method === "POST") {
    return answerHttp(request, env, access);
  }
  if (!isRead(request)) {
    return notAllowed(pathname === "/rpc" ? "GET, POST" : "GET");
  }
  const error = new RpcError("InvalidRequest", "expected a WebSocket handshake or POST /rpc");
  return errorResponse(426, error, { Upgrade: "websocket" });
}

function answerConsole(request: Request, env: Env, pathname: string): Promise<Response> {
  return pathname === "/" ? answerRoot(request, env) : answerAsset(request, env);
}

function notAllowed(allow: string): Response {
  return errorResponse(405, new RpcError("InvalidRequest", "the method is not allowed here"), { Allow: allow });
}

function isRead({ method }: Request): boolean {
  return method === "GET" || method === "HEAD";
}

/** Passes a handshake on to one of this location's gateways; 503 when that can not be reached. */
async function connect(
  request: Request,
  { env, access, ctx }: { env: Env; access: Access; ctx: ExecutionContext },
): Promise<Response> {
  const location = typeof request.cf?.colo === "string" ? request.cf.colo : "local";
  const headers = new Headers(request.headers);
  // The gateway needs no credentials.
  headers.delete("Authorization");
  headers.delete("Sec-WebSocket-Protocol");
  if (offeredProtocols(request.headers).includes(SUBPROTOCOL)) {
    headers.set("Sec-WebSocket-Protocol", SUBPROTOCOL);
  }
  try {
    const response = await openSocket(env, { location, access }, new Request(request.url, { headers }));
    return response.status === 429 ? refuseMore(request, ctx) : response;
  } catch (error) {
    return errorResponse(503, asOutcome(error, "reads", { what: "the gateway" }));
  }
}

function isHandshake(request: Request): boolean {
  return request.method === "GET" && request.headers.get("Upgrade")?.toLowerCase() === "websocket";
}

/** A browser does not show the status of a failed handshake to its page: accept the socket and send a close code. */
function needsCloseCode(request: Request): boolean {
  return isHandshake(request) && offeredProtocols(request.headers).includes(SUBPROTOCOL);
}

function refuseOrigin(request: Request, ctx: ExecutionContext): Response {
  const reason = "the origin of this page is not allowed";
  return needsCloseCode(request)
    ? refuseSocket(ctx, CloseCode.Forbidden, reason)
    : errorResponse(403, new RpcError("Forbidden", reason));
}

/** Refuses one more socket of a subject that has as many as it may. */
function refuseMore(request: Request, ctx: ExecutionContext): Response {
  const reason = "the subject of this token has as many sockets as it may";
  const retryAfterMs = Number(RETRY_AFTER_S) * 1_000;
  return needsCloseCode(request)
    ? refuseSocket(ctx, CloseCode.TooManySockets, reason)
    : errorResponse(429, new RpcError("RateLimited", reason, { retryAfterMs }), { "Retry-After": RETRY_AFTER_S });
}

/** Refuses a path that is nothing's; most are a mistake in the URL that a client was given. */
function refusePath(request: Request, pathname: string, ctx: ExecutionContext): Response {
  const reason = pathname.startsWith("/stream/")
    ? "the stream in the path has to be named by 1 to 128 of [A-Za-z0-9._-], not starting with a dot"
    : "no such path: calls and sockets come to /rpc, or sockets of one stream to /stream/<name>";
  return needsCloseCode(request)
    ? refuseSocket(ctx, CloseCode.NotFound, reason)
    : errorResponse(404, new RpcError("NotFound", reason, { what: "path" }));
}

function refuse(request: Request, refusal: Refusal, ctx: ExecutionContext): Response {
  const { refused, message, reason } = refusal;
  if (refused === "unavailable") {
    // No close code: the client is to try again.
    return errorResponse(503, new RpcError("Unavailable", message), { "Retry-After": RETRY_AFTER_S });
  }
  if (refused === "unconfigured") {
    return needsCloseCode(request)
      ? refuseSocket(ctx, CloseCode.Unconfigured, message)
      : errorResponse(503, new RpcError("Unavailable", message));
  }
  if (needsCloseCode(request)) {
    return refuseSocket(ctx, CloseCode.Unauthenticated, message);
  }
  const error = new RpcError("Unauthenticated", message, reason === undefined ? {} : { reason });
  return errorResponse(401, error, { "WWW-Authenticate": challengeOf(refusal) });
}

/** Who brings nothing that could be checked, or does not know the scheme, is told no error code (RFC 6750 section 3.1). */
function challengeOf({ message, reason }: Refusal): string {
  const isKnown = reason !== "missing" && reason !== "scheme";
  return isKnown ? `${CHALLENGE}, error="invalid_token", error_description="${message}"` : CHALLENGE;
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
