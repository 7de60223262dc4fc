import { BEARER_SUBPROTOCOL, CloseCode, SUBPROTOCOL } from "../../protocol/protocol.ts";

import { DurableStreamError } from "../error.ts";
import { callListener } from "../log.ts";
import { ClientSocket } from "./socket.ts";
import type { SocketEnd, SocketTimes, WebSocketConstructor } from "./socket.ts";
import { startTimer, stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";
import { TokenSource } from "./token-source.ts";

/** `idle`: not needed yet. `waiting`: until the next attempt to connect. `closed`: for good. */
export type ConnectionState = "idle" | "connecting" | "open" | "waiting" | "closed";

/** A change of the connection, as `onState` gets it. */
export type ConnectionChange = {
  /** The new state. `waiting`: the next attempt is made without a call; `closed`: there is none. */
  readonly state: ConnectionState;
  /** In `waiting` and `closed`: why the last socket ended or could not be opened, as text for people. */
  readonly reason?: string;
  /** In `waiting`: milliseconds until the next attempt. */
  readonly retryInMs?: number;
};

/** What a connection is made with. */
export type ConnectionOptions = {
  readonly url: string;
  /** The API key, or what gives one for each attempt to connect. */
  readonly token: string | (() => string | Promise<string>);
  readonly WebSocket: WebSocketConstructor;
  readonly onState: (change: ConnectionChange) => void;
  /** The bound of the random wait after the first failure, and the largest bound, in milliseconds. */
  readonly reconnect: { readonly leastMs: number; readonly mostMs: number };
  readonly times: SocketTimes;
};

/** The callbacks of a connection. Each `opened` is followed by one `lost`. */
export type ConnectionListener = {
  opened(): void;
  received(frame: string): void;
  /** @param mayBeDone False when the server refused the socket, and so read nothing that was sent on it. */
  lost(mayBeDone: boolean): void;
  /** The client goes on trying, but pending calls should fail now. */
  refused(error: DurableStreamError): void;
  /** No other socket will be opened. */
  failed(error: DurableStreamError): void;
};

/** What each code says by which a server refuses a socket. But for Unavailable, another attempt would not help. */
const REFUSALS: Readonly<Record<number, "Unauthenticated" | "Forbidden" | "NotFound" | "Unavailable">> = {
  [CloseCode.Unauthenticated]: "Unauthenticated",
  [CloseCode.Forbidden]: "Forbidden",
  [CloseCode.NotFound]: "NotFound",
  [CloseCode.TooManySockets]: "Unavailable",
  [CloseCode.Unconfigured]: "Unavailable",
};

/** Keeps one socket open: when it ends, the next one is opened after a wait whose bound grows with each failure. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  #state: ConnectionState = "idle";
  #socket: ClientSocket | undefined;
  /** Failures in a row. */
  #failures = 0;
  #retryTimer: Timer | undefined;
  /** What gives a token for each attempt to connect. */
  readonly tokens: TokenSource;
  /** The token of the socket that is open or being opened. */
  #token: string | undefined;
  /** The token that the server has refused last, which is not offered again, and why. */
  #refused: { readonly token: string | undefined; readonly error: DurableStreamError } | undefined;
  /** Why the last socket ended or could not be opened. */
  #lastError: DurableStreamError | undefined;
  readonly #wake = () => this.#connect();

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.tokens = new TokenSource(options.token, options.times.openMs);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Why no socket is open; undefined when one is, or when no attempt has failed yet. */
  get whyOffline(): DurableStreamError | undefined {
    return this.#state === "open" ? undefined : this.#lastError;
  }

  /** The token that the open socket has; undefined when there is none. */
  get token(): string | undefined {
    return this.#state === "open" ? this.#token : undefined;
  }

  /** The server has taken another token on the open socket. */
  renewed(token: string): void {
    this.#token = token;
  }

  /** Connects, unless it has begun to before. */
  open(): void {
    if (this.#state === "idle") {
      this.#connect();
    }
  }

  /** Sends a frame on the open socket. */
  send(frame: string): void {
    this.#socket?.send(frame);
  }

  /** The server has answered a request: resets the count of failures. */
  proven(): void {
    this.#failures = 0;
  }

  /** Ends the socket, so that another one is opened. */
  drop(reason: string): void {
    this.#socket?.end(reason);
  }

  /** Closes the socket in order, for good. */
  close(): void {
    const socket = this.#socket;
    this.#leaveWaiting();
    this.#socket = undefined;
    this.#change({ state: "closed" });
    this.tokens.leave();
    socket?.close();
  }

  #connect(): void {
    this.#leaveWaiting();
    this.#change({ state: "connecting" });
    void this.#attempt();
  }

  async #attempt(): Promise<void> {
    let token: string;
    try {
      token = await this.tokens.ask();
    } catch (cause) {
      this.#retry(failure(`the token could not be had: ${String(cause)}`, cause));
      return;
    }
    if (this.#state !== "connecting") {
      return;
    }
    if (token === this.#refused?.token) {
      this.#fail(this.#refused.error, false);
      return;
    }
    this.#token = token;
    try {
      const ws = new this.#options.WebSocket(this.#options.url, [SUBPROTOCOL, BEARER_SUBPROTOCOL + toBase64Url(token)]);
      const socket: ClientSocket = new ClientSocket(ws, this.#options.times, {
        opened: () => {
          this.#change({ state: "open" });
          this.#listener.opened();
        },
        received: (frame) => this.#listener.received(frame),
        ended: (end) => this.#ended(socket, end),
      });
      this.#socket = socket;
    } catch (cause) {
      // The constructor throws for a URL that it does not take. It will throw again, so pending calls should not wait.
      const error = failure(`no WebSocket could be made: ${String(cause)}`, cause);
      this.#retry(error);
      this.#listener.refused(error);
    }
  }

  #ended(socket: ClientSocket, { code, reason, cause }: SocketEnd): void {
    if (this.#socket !== socket) {
      return;
    }
    this.#socket = undefined;
    const wasOpen = this.#state === "open";
    // A browser does not see the HTTP status of a handshake. So the server accepts the socket and closes it with a code. When
    // nothing was received before that, the server has read nothing.
    const refusal = REFUSALS[code];
    const mayBeDone = refusal === undefined || socket.hasReceived;
    const why = reason === "" ? `closed with ${code}` : reason;
    const isToken = refusal === "Unauthenticated";
    const message = isToken ? `the server does not take this token: ${why}` : why;
    const error = new DurableStreamError(refusal ?? "Unavailable", message, { cause });
    if (error.name !== "Unavailable" && !(isToken && this.tokens.mayChange)) {
      this.#fail(error, mayBeDone);
      return;
    }
    if (isToken) {
      this.#refused = { token: this.#token, error };
    }
    this.#retry(error);
    if (wasOpen) {
      this.#listener.lost(mayBeDone);
    }
    if (code === CloseCode.Unconfigured) {
      this.#listener.refused(error);
    }
  }

  /** Gives up for good. */
  #fail(error: DurableStreamError, mayBeDone: boolean): void {
    this.#lastError = error;
    this.#change({ state: "closed", reason: error.message });
    this.#listener.lost(mayBeDone);
    this.#listener.failed(error);
  }

  /** Waits with full jitter, up to a bound that doubles: not all clients of a restarted server connect at once. */
  #retry(error: DurableStreamError): void {
    if (this.#state === "closed") {
      return;
    }
    this.#lastError = error;
    const { leastMs, mostMs } = this.#options.reconnect;
    const retryInMs = Math.random() * Math.min(mostMs, leastMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#retryTimer = startTimer(retryInMs, this.#wake);
    onlineEvents()?.addEventListener("online", this.#wake);
    this.#change({ state: "waiting", reason: error.message, retryInMs });
  }

  #leaveWaiting(): void {
    stopTimer(this.#retryTimer);
    if (this.#state === "waiting") {
      onlineEvents()?.removeEventListener("online", this.#wake);
    }
  }

  #change(change: ConnectionChange): void {
    if (this.#state !== change.state) {
      this.#state = change.state;
      // In a microtask, so that the listener can not interrupt what changed the state.
      queueMicrotask(() => void callListener("onState", () => this.#options.onState(change)));
    }
  }
}

function failure(reason: string, cause: unknown): DurableStreamError {
  return new DurableStreamError("Unavailable", reason, { cause });
}

type OnlineEvents = {
  addEventListener(type: "online", listener: () => void): void;
  removeEventListener(type: "online", listener: () => void): void;
};

/** Browsers fire `online`, in windows and workers, when the network is back. Undefined in other runtimes. */
function onlineEvents(): OnlineEvents | undefined {
  const scope: object = globalThis;
  return typeof navigator === "object" && "onLine" in navigator && isOnlineEvents(scope) ? scope : undefined;
}

function isOnlineEvents(scope: object): scope is OnlineEvents {
  return "addEventListener" in scope && "removeEventListener" in scope;
}

function toBase64Url(text: string): string {
  const binary = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
