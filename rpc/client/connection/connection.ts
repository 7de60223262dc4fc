import { BEARER_SUBPROTOCOL, CloseCode, SUBPROTOCOL } from "../../protocol.ts";

import { deferred } from "../calls/deferred.ts";
import { DurableStreamError } from "../error.ts";
import { callListener } from "../report.ts";
import { ClientSocket } from "./socket.ts";
import type { SocketEnd, SocketTimes, WebSocketConstructor } from "./socket.ts";
import { startTimer, stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";

/** `idle`: never needed yet. `waiting`: for the next attempt to connect. `closed`: for good. */
export type ConnectionState = "idle" | "connecting" | "open" | "waiting" | "closed";

/** A change of the connection, as `onState` hears it. */
export type ConnectionChange = {
  /** What it is now. `waiting`: the next attempt comes by itself; `closed`: there is none. */
  readonly state: ConnectionState;
  /** In `waiting` and `closed`: why the last socket ended, or could not be opened. Text for people. */
  readonly reason?: string;
  /** In `waiting`: in how many milliseconds the next attempt is made. */
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

/** Who uses a connection. Each opening is followed by one loss. */
export type ConnectionListener = {
  opened(): void;
  received(frame: string): void;
  /** `mayBeDone` is false when the server refused the socket: it read nothing that was sent on it. */
  lost(mayBeDone: boolean): void;
  /** It is tried again, but who waits now would wait in vain. */
  refused(error: DurableStreamError): void;
  /** There will be no other socket. */
  failed(error: DurableStreamError): void;
};

/** One socket after the other: when one ends the next is opened, after a wait that grows with each failure. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  #state: ConnectionState = "idle";
  #socket: ClientSocket | undefined;
  /** Attempts since a server last answered. */
  #failures = 0;
  #retryTimer: Timer | undefined;
  /** Gives up waiting for a token. */
  #leaveToken: (() => void) | undefined;
  /** Why the last socket ended, or could not be had. */
  #lastError: DurableStreamError | undefined;
  readonly #wake = () => this.#connect();

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Why there is no open socket; undefined when there is one, or there was no attempt yet that failed. */
  get whyOffline(): DurableStreamError | undefined {
    return this.#state === "open" ? undefined : this.#lastError;
  }

  /** Sees to it that there is a connection, now or later. */
  open(): void {
    if (this.#state === "idle") {
      this.#connect();
    }
  }

  /** Sends a frame on the open socket. */
  send(frame: string): void {
    this.#socket?.send(frame);
  }

  /** The server behind this socket does its work: the next failure is the first. */
  proven(): void {
    this.#failures = 0;
  }

  /** Gives the socket up for another one. */
  drop(reason: string): void {
    this.#socket?.end(reason);
  }

  /** Closes the socket in order, for good. */
  close(): void {
    const socket = this.#socket;
    this.#leaveWaiting();
    this.#socket = undefined;
    this.#change({ state: "closed" });
    this.#leaveToken?.();
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
      token = await this.#token();
    } catch (cause) {
      this.#retry(failure(`the token could not be had: ${String(cause)}`, cause));
      return;
    }
    if (this.#state !== "connecting") {
      return;
    }
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
      // A WebSocket that can not even be made, for a URL that it does not take, say, can not be made later either.
      const error = failure(`no WebSocket could be made: ${String(cause)}`, cause);
      this.#retry(error);
      this.#listener.refused(error);
    }
  }

  /** The token, which is asked for as long as a handshake may take, and not beyond the end. */
  async #token(): Promise<string> {
    const { token, times } = this.#options;
    if (typeof token === "string") {
      return token;
    }
    const given = deferred<never>();
    const timer = startTimer(times.openMs, () => given.reject(new Error("it took too long")));
    this.#leaveToken = () => {
      stopTimer(timer);
      given.reject(new Error("the client was closed"));
    };
    try {
      const found: unknown = await Promise.race([token(), given.promise]);
      if (typeof found !== "string" || found === "") {
        throw new TypeError("the function gave none");
      }
      return found;
    } finally {
      stopTimer(timer);
      this.#leaveToken = undefined;
    }
  }

  #ended(socket: ClientSocket, { code, reason, cause }: SocketEnd): void {
    if (this.#socket !== socket) {
      return;
    }
    this.#socket = undefined;
    const wasOpen = this.#state === "open";
    // How a server refuses a handshake to a client that can see no HTTP status: it lets it in as far as the close code. On
    // a socket on which nothing was heard before, that says that nothing of it was read.
    const isRefused = !socket.hasHeard && (code === CloseCode.Unauthenticated || code === CloseCode.Unconfigured);
    if (code === CloseCode.Unauthenticated && typeof this.#options.token === "string") {
      this.#lastError = unauthenticated();
      this.#change({ state: "closed", reason });
      this.#listener.lost(!isRefused);
      this.#listener.failed(this.#lastError);
      return;
    }
    const why = reason === "" ? `closed with ${code}` : reason;
    const error = code === CloseCode.Unauthenticated ? unauthenticated() : failure(why, cause);
    this.#retry(error, why);
    if (wasOpen) {
      this.#listener.lost(!isRefused);
    }
    if (code === CloseCode.Unconfigured) {
      this.#listener.refused(error);
    }
  }

  /** Full jitter: anything up to a bound that doubles, so that clients of a server that comes back do not come at once. */
  #retry(error: DurableStreamError, reason = error.message): void {
    if (this.#state === "closed") {
      return;
    }
    this.#lastError = error;
    const { leastMs, mostMs } = this.#options.reconnect;
    const retryInMs = Math.random() * Math.min(mostMs, leastMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#retryTimer = startTimer(retryInMs, this.#wake);
    onlineEvents()?.addEventListener("online", this.#wake);
    this.#change({ state: "waiting", reason, retryInMs });
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
      // Later, so that nothing a listener does or throws comes between.
      queueMicrotask(() => void callListener("onState", () => this.#options.onState(change)));
    }
  }
}

function unauthenticated(): DurableStreamError {
  return new DurableStreamError("Unauthenticated", "the server does not take this token");
}

function failure(reason: string, cause: unknown): DurableStreamError {
  return new DurableStreamError("Unavailable", reason, { cause });
}

type OnlineEvents = {
  addEventListener(type: "online", listener: () => void): void;
  removeEventListener(type: "online", listener: () => void): void;
};

/** Browsers say when the network is back, in windows and workers; where nothing is said, nothing is listened for. */
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
