import { CLIENT_LIMITS } from "./protocol/client-limits.ts";

import type { PublisherOptions } from "./client/calls/publisher.ts";
import type { ConnectionChange, ConnectionOptions } from "./client/connection/connection.ts";
import type { CallDefaults } from "./client/calls/caller.ts";
import { httpAccess, serverRoot } from "./client/objects/http.ts";
import type { Fetch, HttpAccess } from "./client/objects/http.ts";
import { must, numbersOf } from "./client/option.ts";
import type { WebSocketConstructor } from "./client/connection/socket.ts";

/** The options of a client. Durations are milliseconds, sizes are bytes of UTF-8. */
export type DurableStreamOptions = {
  /**
   * The server: `https://host`, or with a path `wss://host/rpc` or `wss://host/stream/<name>`. The last form sets the stream
   * of calls that name none.
   */
  url: string | URL;
  /**
   * The API key or a token, or a function that returns it.
   *
   * A function is called at each attempt to connect, and before a token ends, which the server tells 60 s before: the new
   * token takes its place on the same socket, if it is of the same subject and prefix. When the server refuses what it gave,
   * or closes the socket at the end of a token, it is called again. When it then gives the same one, and when the server
   * refuses a string, which can not be renewed, the client is closed for good and every call rejects with Unauthenticated.
   *
   * @example
   * ```ts
   * token: async () => (await fetch("/my-token")).text()
   * ```
   */
  token: string | (() => string | Promise<string>);
  /**
   * The WebSocket constructor. Node.js has a global one from version 22 on; before that, pass the one of the package `ws`.
   *
   * @defaultValue the global `WebSocket`
   */
  WebSocket?: WebSocketConstructor;
  /**
   * The `fetch` that sends objects of more than 768,000 bytes over HTTP, to `/r2/` of the same server. With `false` they go
   * over the socket, in up to 1,000 parts.
   *
   * @defaultValue the global `fetch`; `false` in a page of another origin, where a `fetch` that is given works if the
   * server's `ALLOWED_ORIGINS` names that origin
   */
  fetch?: Fetch | false;
  /** Called with each change of the connection, in order. An error that it throws is logged by `console.error`. */
  onState?: (change: ConnectionChange) => void;
  /**
   * How long a call may take in all, in milliseconds, 0 or more, waiting for a connection included. After that it rejects
   * with Unavailable, or with OutcomeUnknown when it may have been done. The options of a call may set another value.
   *
   * @defaultValue 30,000
   */
  timeoutMs?: number;
  /**
   * How long a publish may take in all, in milliseconds, 0 or more, waiting for a connection and retries included. One not sent by then
   * is skipped. The outcome of one that was sent is unknown to its caller, and later publishes to its
   * stream are stored after it.
   *
   * @defaultValue 60,000
   */
  publishTimeoutMs?: number;
  /**
   * The name of this client's producer, 1 to 64 characters, for one that outlives the process: a client takes over from the
   * one before of that name, whose publishes are refused with Conflict (`producer`) from then on.
   *
   * @defaultValue a random name
   */
  producer?: string;
  /**
   * What becomes of the publishes after one that the server refuses. `"strict"` stops those that were called before the
   * refusal arrived: they reject with Unavailable, and are not stored. Unless given, they are stored without it.
   */
  order?: "strict";
  /** Bounds of the pending calls. A call beyond them rejects with Busy at once. */
  queue?: {
    /**
     * Most pending calls, publishes included; 0 or more.
     *
     * @defaultValue 10,000
     */
    publishes?: number;
    /**
     * Most bytes of their params; 0 or more.
     *
     * @defaultValue 16,777,216 (16 MiB)
     */
    bytes?: number;
  };
  /** The waits between attempts to connect: random, up to a bound that doubles with each failure in a row. */
  reconnect?: {
    /**
     * The bound after the first failure, in milliseconds, 0 or more.
     *
     * @defaultValue 500
     */
    leastMs?: number;
    /**
     * The largest bound, in milliseconds, 0 or more.
     *
     * @defaultValue 30,000
     */
    mostMs?: number;
  };
  /** Detection of a dead peer: a socket on which nothing is received for too long is replaced. */
  ping?: {
    /**
     * Interval between pings, in milliseconds, 1 or more.
     *
     * @defaultValue 25,000
     */
    everyMs?: number;
    /**
     * Read timeout of the socket, in milliseconds, 1 or more: it is replaced when nothing was received for so long.
     *
     * @defaultValue 75,000
     */
    deadAfterMs?: number;
  };
  /**
   * How long the handshake of a socket may take, in milliseconds, 0 or more. The token function, which is called before it,
   * may take as long again.
   *
   * @defaultValue 10,000
   */
  connectTimeoutMs?: number;
  /**
   * How long the server may take to answer a call before the socket is replaced, in milliseconds, 0 or more. A server
   * answers within 15,000, if need be with an error. It does not apply to `completeUpload`, which takes as long as storing
   * the object takes.
   *
   * @defaultValue 25,000
   */
  answerTimeoutMs?: number;
};

/** The options with defaults applied. */
export type ResolvedOptions = ConnectionOptions &
  CallDefaults & {
    /** Undefined when objects go over the socket only. */
    readonly http: HttpAccess | undefined;
    /** What the paths of the server follow. */
    readonly serverRoot: string;
    /** Most pending calls, and most bytes of their params. */
    readonly queue: { readonly publishes: number; readonly bytes: number };
    readonly publishing: PublisherOptions;
    /** How long the server may take to answer a call before the socket is replaced, in milliseconds. */
    readonly answerTimeoutMs: number;
  };

/** Added to the server's own deadline, for the way there and back. */
const ANSWER_GRACE_MS = 10_000;

/**
 * Checks the options and applies defaults.
 *
 * @throws TypeError That names an option of a wrong type or out of range, which later would only show as a timeout, and one
 * that there is not.
 */
export function resolveOptions(options: DurableStreamOptions): ResolvedOptions {
  // A copy, so that of no options at all the first that is missing is named.
  const {
    url: given,
    token,
    WebSocket = globalWebSocket(),
    fetch,
    onState = () => undefined,
    producer,
    order,
    queue = {},
    reconnect = {},
    ping = {},
    ...numbers
  } = { ...options };
  const url = socketUrl(given);
  must(typeof token === "function" || isText(token), "token", "a string that is not empty, or a function");
  must(typeof WebSocket === "function", "WebSocket", "a constructor");
  must(producer === undefined || (isText(producer) && producer.length <= 64), "producer", "1 to 64 characters");
  must(order === undefined || order === "strict", "order", '"strict"');
  must(typeof onState === "function", "onState", "a function");
  must(!fetch || typeof fetch === "function", "fetch", "a function or false");
  const { connectTimeoutMs, ...times } = numbersOf("", numbers, {
    timeoutMs: 30_000,
    publishTimeoutMs: 60_000,
    connectTimeoutMs: 10_000,
    answerTimeoutMs: CLIENT_LIMITS.requestDeadlineMs + ANSWER_GRACE_MS,
  });
  // At least 1: an interval of 0 would send nothing but pings.
  const pings = numbersOf("ping", ping, { everyMs: CLIENT_LIMITS.pingMs, deadAfterMs: CLIENT_LIMITS.idleCloseMs }, 1);
  const root = serverRoot(url);
  return {
    url: url.href,
    stream: /\/stream\/([^/]+)$/.exec(url.pathname)?.[1] ?? "",
    token,
    WebSocket,
    http: httpAccess(root, token, fetch),
    serverRoot: root,
    onState,
    ...times,
    publishing: { producer, order },
    queue: numbersOf("queue", queue, { publishes: 10_000, bytes: 16_777_216 }),
    reconnect: numbersOf("reconnect", reconnect, { leastMs: 500, mostMs: 30_000 }),
    times: { pingMs: pings.everyMs, idleMs: pings.deadAfterMs, openMs: connectTimeoutMs },
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function socketUrl(given: string | URL): URL {
  const url = parsed(given);
  // `localhost:8787` is a valid URL, whose scheme is `localhost:`.
  must(
    url !== undefined && /^(http|ws)s?:$/.test(url.protocol),
    "url",
    "a URL that begins with https://, http://, wss:// or ws://",
  );
  url.protocol = url.protocol.replace(/^http/, "ws");
  // The WebSocket constructor throws for a URL with a fragment.
  url.hash = "";
  if (url.pathname === "/") {
    url.pathname = "/rpc";
  }
  return url;
}

function parsed(given: string | URL): URL | undefined {
  try {
    return new URL(given);
  } catch {
    // Safe: the caller refuses it.
    return undefined;
  }
}

function globalWebSocket(): WebSocketConstructor {
  const found: WebSocketConstructor | undefined = Reflect.get(globalThis, "WebSocket");
  if (found === undefined) {
    throw new TypeError(
      "there is no global WebSocket, as in Node.js before 22: npm install ws, then " +
        'import { WebSocket } from "ws"; new DurableStream({ url, token, WebSocket })',
    );
  }
  return found;
}
