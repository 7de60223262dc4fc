import { LIMITS } from "../limits.ts";

import type { ConnectionChange } from "./connection.ts";
import { httpAccess } from "./object-http.ts";
import type { Fetch, HttpAccess } from "./object-http.ts";
import { checkOptions } from "./option-kinds.ts";
import type { SocketTimes, WebSocketConstructor } from "./socket.ts";

/** What a client is made with. Durations are milliseconds. */
export type DurableStreamOptions = {
  /** The server: `https://host`, or with a path, `wss://host/rpc` or `wss://host/stream/<name>`. */
  url: string | URL;
  /**
   * The API key, or a function that is asked for it at each attempt to connect. A key that the server does not take ends
   * the client, and every call is Unauthenticated; a function is asked for a better one.
   */
  token: string | (() => string | Promise<string>);
  /** In place of the global `WebSocket`, which Node.js has from 22 on: before, that of the package `ws`. */
  WebSocket?: WebSocketConstructor;
  /**
   * How large objects go over HTTP, to `/r2/` of the same server: by the global `fetch` unless given. With `false`, or
   * in a page of another origin, for which the server says nothing of CORS, they go over the socket in parts.
   */
  fetch?: Fetch | false;
  /** Called with each change of the connection. */
  onState?: (change: ConnectionChange) => void;
  /** How long a call may take in all, 30,000 unless given; each call may say otherwise. */
  timeoutMs?: number;
  /**
   * How long a publish is tried and waits for a connection, 60,000 unless given; less than `duplicateWindowMs`. One that
   * is not done by then is passed over: those to its stream that were called after it are stored all the same.
   */
  publishTimeoutMs?: number;
  /** What may wait to be published: at most 10,000 publishes of 16 MiB in all unless given. Beyond it they are Busy. */
  queue?: { publishes?: number; bytes?: number };
  /** Waits between attempts to connect: up to 500 after the first failure, then doubling, up to 30,000. */
  reconnect?: { leastMs?: number; mostMs?: number };
  /** How often the server is pinged, and after how long a silence the socket is given up: 25,000 and 75,000. */
  ping?: { everyMs?: number; deadAfterMs?: number };
  /** How long a handshake may take, and the token that is asked for before it: 10,000 each. */
  connectTimeoutMs?: number;
  /** How long a server may leave a call without any answer before its socket is given up: 25,000. */
  answerTimeoutMs?: number;
};

/** The options with everything filled in. */
export type ResolvedOptions = {
  readonly url: string;
  /** The stream of calls that name none, as the URL's path says; empty where it names none either. */
  readonly stream: string;
  readonly token: DurableStreamOptions["token"];
  readonly WebSocket: WebSocketConstructor;
  /** Undefined where objects go over the socket only. */
  readonly http: HttpAccess | undefined;
  readonly onState: (change: ConnectionChange) => void;
  readonly timeoutMs: number;
  readonly publishTimeoutMs: number;
  readonly queue: { readonly publishes: number; readonly bytes: number };
  readonly reconnect: { readonly leastMs: number; readonly mostMs: number };
  readonly times: SocketTimes;
  readonly answerTimeoutMs: number;
};

/** A server answers within its deadline; what is on the way for this much longer is not coming. */
const ANSWER_GRACE_MS = 10_000;

/**
 * Fills in what was not given.
 *
 * @throws TypeError For what is of a wrong kind, or no option at all: found later, it would be a minute of silence.
 */
export function resolveOptions(options: DurableStreamOptions): ResolvedOptions {
  checkOptions(options);
  const { queue = {}, reconnect = {}, ping = {} } = options;
  const url = socketUrl(options.url);
  return {
    url: url.href,
    stream: /\/stream\/([^/]+)$/.exec(url.pathname)?.[1] ?? "",
    token: options.token,
    WebSocket: options.WebSocket ?? globalWebSocket(),
    http: httpAccess(options),
    onState: options.onState ?? (() => undefined),
    timeoutMs: options.timeoutMs ?? 30_000,
    publishTimeoutMs: options.publishTimeoutMs ?? 60_000,
    queue: { publishes: queue.publishes ?? 10_000, bytes: queue.bytes ?? 16_777_216 },
    reconnect: { leastMs: reconnect.leastMs ?? 500, mostMs: reconnect.mostMs ?? 30_000 },
    times: {
      pingMs: ping.everyMs ?? LIMITS.pingMs,
      idleMs: ping.deadAfterMs ?? LIMITS.idleCloseMs,
      openMs: options.connectTimeoutMs ?? 10_000,
    },
    answerTimeoutMs: options.answerTimeoutMs ?? LIMITS.requestDeadlineMs + ANSWER_GRACE_MS,
  };
}

function socketUrl(given: string | URL): URL {
  const url = new URL(given);
  // Without a scheme `localhost:8787` is a URL too, of the scheme `localhost:`.
  if (!/^(?:https?|wss?):$/.test(url.protocol)) {
    throw new TypeError(`the option url has to begin with https://, http://, wss:// or ws://: ${String(given)}`);
  }
  url.protocol = url.protocol.replace(/^http/, "ws");
  // No WebSocket takes one.
  url.hash = "";
  if (url.pathname === "/") {
    url.pathname = "/rpc";
  }
  return url;
}

function globalWebSocket(): WebSocketConstructor {
  const found: WebSocketConstructor | undefined = Reflect.get(globalThis, "WebSocket");
  if (found === undefined) {
    throw new TypeError("there is no global WebSocket here: pass one as the option WebSocket, like that of package ws");
  }
  return found;
}
