import { CloseCode } from "../../protocol/protocol.ts";

import { LONGEST_MS, monotonicMs, startTimer, stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";

/** What this client uses of an event of a WebSocket. */
export type SocketEvent = {
  readonly type: string;
  readonly data?: unknown;
  readonly code?: number;
  readonly reason?: string;
  /** Of an `error` event, in Node.js and the package `ws`. Browsers leave it out. */
  readonly message?: string;
  readonly error?: unknown;
};

/** What this client uses of a WebSocket. Browsers, Node.js, Workers, Deno, Bun and the package `ws` have it. */
export type WebSocketLike = {
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open", listener: (event: SocketEvent) => void): void;
  addEventListener(type: "message", listener: (event: SocketEvent) => void): void;
  addEventListener(type: "close", listener: (event: SocketEvent) => void): void;
  addEventListener(type: "error", listener: (event: SocketEvent) => void): void;
};

/** A constructor like the global `WebSocket`. */
export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike;

/** The timeouts of a socket, in milliseconds. */
export type SocketTimes = {
  /** Interval between two `ping` frames. */
  readonly pingMs: number;
  /** Read timeout: a socket that received nothing for so long is ended. */
  readonly idleMs: number;
  /** How long the handshake may take. */
  readonly openMs: number;
};

/** The callbacks of a socket. `ended` is called once, and nothing after it. */
export type SocketListener = {
  opened(): void;
  received(frame: string): void;
  ended(end: SocketEnd): void;
};

/** How a socket ended. */
export type SocketEnd = {
  readonly code: number;
  readonly reason: string;
  /** What the WebSocket threw, or its `error` event carried. */
  readonly cause?: unknown;
};

/** The code of a socket that ended without a Close frame (RFC 6455 section 7.4.1). */
const ABNORMAL = 1006;

/** One WebSocket, from its handshake to its end. Pings detect a peer that is gone. */
export class ClientSocket {
  readonly #ws: WebSocketLike;
  readonly #times: SocketTimes;
  readonly #listener: SocketListener;
  #openTimer: Timer;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  #receivedAt = 0;
  #hasReceived = false;
  #isEnded = false;

  constructor(ws: WebSocketLike, times: SocketTimes, listener: SocketListener) {
    this.#ws = ws;
    this.#times = times;
    this.#listener = listener;
    this.#openTimer = startTimer(times.openMs, () => this.end("the handshake took too long"));
    // The listeners are never removed: some implementations throw when "error" has none.
    ws.addEventListener("open", () => this.#opened());
    ws.addEventListener("message", ({ data }) => this.#received(data));
    ws.addEventListener("error", (event) => this.#failed(event));
    ws.addEventListener("close", ({ code = ABNORMAL, reason = "" }) => this.#over({ code, reason }));
  }

  /** Whether any frame was received. */
  get hasReceived(): boolean {
    return this.#hasReceived;
  }

  /** Sends a frame. A socket that throws is ended. */
  send(frame: string): void {
    if (this.#isEnded) {
      return;
    }
    try {
      this.#ws.send(frame);
    } catch {
      this.end("a frame could not be sent");
    }
  }

  /** Ends the socket now, without waiting for the other side. */
  end(reason: string): void {
    this.#over({ code: ABNORMAL, reason });
  }

  /** Closes the socket normally: the frames that were sent before still arrive. */
  close(): void {
    this.#over({ code: CloseCode.Normal, reason: "done" });
  }

  #opened(): void {
    if (this.#isEnded) {
      this.#closeQuietly();
      return;
    }
    stopTimer(this.#openTimer);
    this.#receivedAt = monotonicMs();
    this.#pingTimer = setInterval(() => this.#ping(), Math.min(this.#times.pingMs, this.#times.idleMs, LONGEST_MS));
    this.#listener.opened();
  }

  #received(data: unknown): void {
    if (this.#isEnded) {
      return;
    }
    this.#receivedAt = monotonicMs();
    this.#hasReceived = true;
    if (typeof data !== "string") {
      this.end("a binary frame came");
    } else if (data !== "pong") {
      this.#listener.received(data);
    }
  }

  #failed({ message = "", error }: SocketEvent): void {
    const reason = message === "" ? "the connection failed" : `the connection failed: ${message}`;
    this.#over({ code: ABNORMAL, reason, ...(error === undefined ? {} : { cause: error }) });
  }

  #ping(): void {
    if (monotonicMs() - this.#receivedAt >= this.#times.idleMs) {
      this.end("nothing was heard for too long");
    } else {
      this.send("ping");
    }
  }

  #over(end: SocketEnd): void {
    if (this.#isEnded) {
      return;
    }
    this.#isEnded = true;
    stopTimer(this.#openTimer);
    if (this.#pingTimer !== undefined) {
      clearInterval(this.#pingTimer);
    }
    this.#closeQuietly();
    this.#listener.ended(end);
  }

  #closeQuietly(): void {
    try {
      this.#ws.close(CloseCode.Normal, "done");
    } catch {
      // Safe: it is closed already, or not open yet, and then closed once it opens.
    }
  }
}
