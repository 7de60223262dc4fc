import { LIMITS } from "../limits.ts";

import type { ConnectionChange, ConnectionOptions } from "./connection/connection.ts";
import type { CallDefaults } from "./calls/caller.ts";
import { httpAccess } from "./objects/http.ts";
import type { Fetch, HttpAccess } from "./objects/http.ts";
import { must, numbersOf } from "./option.ts";
import type { WebSocketConstructor } from "./connection/socket.ts";

/** What a client is made with. Durations are milliseconds, sizes bytes of UTF-8. */
export type DurableStreamOptions = {
  /**
   * The server: `https://host`, or with a path, `wss://host/rpc` or `wss://host/stream/<name>`. The latter names the
   * stream of calls that name none.
   */
  url: string | URL;
  /**
   * The API key, or a function that is asked for it at each attempt to connect. A key that the server does not take ends
   * the client, and every call is Unauthenticated; a function is asked again.
   *
   * @example
   * ```ts
   * token: async () => (await fetch("/my-token")).text()
   * ```
   */
  token: string | (() => string | Promise<string>);
  /**
   * In place of the global `WebSocket`, which Node.js has from 22 on: before, that of the package `ws`.
   *
   * @defaultValue the global `WebSocket`
   */
  WebSocket?: WebSocketConstructor;
  /**
   * How objects of more than 768,000 bytes go over HTTP, to `/r2/` of the same server. With `false`, or in a page of
   * another origin, for which the server says nothing of CORS, they go over the socket in parts, up to 1,000 of them.
   *
   * @defaultValue the global `fetch`
   */
  fetch?: Fetch | false;
  /** Called with each change of the connection, in order. What it throws is reported by `console.error`. */
  onState?: (change: ConnectionChange) => void;
  /**
   * How long a call may take in all, in milliseconds, waiting for a connection included; each call may say otherwise. Then
   * it is Unavailable, or OutcomeUnknown when it may have been done.
   *
   * @defaultValue 30,000
   */
  timeoutMs?: number;
  /**
   * How long a publish is tried and waits for a connection, in milliseconds; less than the stream's `duplicateWindowMs`,
   * within which its id is remembered. One that is not done by then is passed over: those to its stream that were called
   * after it are stored all the same.
   *
   * @defaultValue 60,000
   */
  publishTimeoutMs?: number;
  /** What may wait to be done: a call beyond it is Busy at once. */
  queue?: {
    /**
     * At most so many calls, publishes included.
     *
     * @defaultValue 10,000
     */
    publishes?: number;
    /**
     * At most so many bytes of their params.
     *
     * @defaultValue 16,777,216 (16 MiB)
     */
    bytes?: number;
  };
  /** Waits between attempts to connect: random, up to a bound that doubles with each failure in a row. */
  reconnect?: {
    /**
     * The bound after the first failure, in milliseconds.
     *
     * @defaultValue 500
     */
    leastMs?: number;
    /**
     * The largest bound, in milliseconds.
     *
     * @defaultValue 30,000
     */
    mostMs?: number;
  };
  /** How it is found out that nobody is there any more: a socket on which nothing is heard is replaced. */
  ping?: {
    /**
     * How often the server is pinged, in milliseconds, 1 or more.
     *
     * @defaultValue 25,000
     */
    everyMs?: number;
    /**
     * After how long a silence the socket is given up, in milliseconds, 1 or more.
     *
     * @defaultValue 75,000
     */
    deadAfterMs?: number;
  };
  /**
   * How long a handshake may take, and as long again the token that is asked for before it, in milliseconds.
   *
   * @defaultValue 10,000
   */
  connectTimeoutMs?: number;
  /**
   * How long a server may leave a call without any answer before its socket is given up, in milliseconds. It answers within
   * 15,000, with an error where it has to.
   *
   * @defaultValue 25,000
   */
  answerTimeoutMs?: number;
};

/** The options with everything filled in. */
export type ResolvedOptions = ConnectionOptions &
  CallDefaults & {
    /** Undefined where objects go over the socket only. */
    readonly http: HttpAccess | undefined;
    /** Most pending calls, and most bytes of their params. */
    readonly queue: { readonly publishes: number; readonly bytes: number };
    /** How long a server may leave a call without an answer, in milliseconds. */
    readonly answerTimeoutMs: number;
  };

/** A server answers within its deadline; what is on the way for this much longer is not coming. */
const ANSWER_GRACE_MS = 10_000;

/**
 * Fills in what was not given.
 *
 * @throws TypeError For what is of a wrong kind: found later, it would be a minute of silence.
 */
export function resolveOptions(options: DurableStreamOptions): ResolvedOptions {
  const { token, queue = {}, reconnect = {}, ping = {}, onState = () => undefined } = options;
  const url = socketUrl(options.url);
  const WebSocket = options.WebSocket ?? globalWebSocket();
  must(typeof token === "function" || isText(token), "token", "a string that is not empty, or a function");
  must(typeof WebSocket === "function", "WebSocket", "a constructor");
  must(typeof onState === "function", "onState", "a function");
  must(!options.fetch || typeof options.fetch === "function", "fetch", "a function or false");
  const { connectTimeoutMs, ...times } = numbersOf("", options, {
    timeoutMs: 30_000,
    publishTimeoutMs: 60_000,
    connectTimeoutMs: 10_000,
    answerTimeoutMs: LIMITS.requestDeadlineMs + ANSWER_GRACE_MS,
  });
  // Without a pause between them there would be nothing but pings.
  const pings = numbersOf("ping", ping, { everyMs: LIMITS.pingMs, deadAfterMs: LIMITS.idleCloseMs }, 1);
  return {
    url: url.href,
    stream: /\/stream\/([^/]+)$/.exec(url.pathname)?.[1] ?? "",
    token,
    WebSocket,
    http: httpAccess(options),
    onState,
    ...times,
    queue: numbersOf("queue", queue, { publishes: 10_000, bytes: 16_777_216 }),
    reconnect: numbersOf("reconnect", reconnect, { leastMs: 500, mostMs: 30_000 }),
    times: { pingMs: pings.everyMs, idleMs: pings.deadAfterMs, openMs: connectTimeoutMs },
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function socketUrl(given: string | URL): URL {
  const url = new URL(given);
  // Without a scheme `localhost:8787` is a URL too, of the scheme `localhost:`.
  must(/^(http|ws)s?:$/.test(url.protocol), "url", "one of https:, http:, wss: or ws:");
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
