import { CloseCode } from "../../protocol.ts";

import { LONGEST_MS, monotonicMs, startTimer, stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";

/** What this client uses of an event of a WebSocket. */
export type SocketEvent = {
  readonly type: string;
  readonly data?: unknown;
  readonly code?: number;
  readonly reason?: string;
  /** What an `error` event tells, in Node.js and of the package `ws`; that of a browser tells nothing. */
  readonly message?: string;
  readonly error?: unknown;
};

/** What this client uses of a WebSocket: those of browsers, Node.js, Workers, Deno, Bun and the package `ws` have it. */
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

/** How long a socket may be silent, in milliseconds. */
export type SocketTimes = {
  /** How often `ping` is sent. */
  readonly pingMs: number;
  /** Without hearing anything for so long the socket is taken for dead. */
  readonly idleMs: number;
  /** How long opening may take. */
  readonly openMs: number;
};

/** Who hears of a socket; nothing is heard after its end, which comes once. */
export type SocketListener = {
  opened(): void;
  received(frame: string): void;
  ended(end: SocketEnd): void;
};

/** How a socket ended. */
export type SocketEnd = {
  readonly code: number;
  readonly reason: string;
  /** What the WebSocket threw or told. */
  readonly cause?: unknown;
};

/** Says how a socket ended that was never closed in order (RFC 6455 section 7.4.1). */
const ABNORMAL = 1006;

/** One WebSocket, from its handshake to its end, with the pings that find out when nobody is there any more. */
export class ClientSocket {
  readonly #ws: WebSocketLike;
  readonly #times: SocketTimes;
  readonly #listener: SocketListener;
  #openTimer: Timer;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  #heardAt = 0;
  #hasHeard = false;
  #isEnded = false;

  constructor(ws: WebSocketLike, times: SocketTimes, listener: SocketListener) {
    this.#ws = ws;
    this.#times = times;
    this.#listener = listener;
    this.#openTimer = startTimer(times.openMs, () => this.end("the handshake took too long"));
    // The listeners stay when it has ended: some implementations throw where nobody listens for "error".
    ws.addEventListener("open", () => this.#opened());
    ws.addEventListener("message", ({ data }) => this.#received(data));
    ws.addEventListener("error", (event) => this.#failed(event));
    ws.addEventListener("close", ({ code = ABNORMAL, reason = "" }) => this.#over({ code, reason }));
  }

  /** Whether the other side has ever said anything. */
  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  /** Sends a frame; a socket that refuses it is at its end. */
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

  /** Ends the socket now, whatever its other side does. */
  end(reason: string): void {
    this.#over({ code: ABNORMAL, reason });
  }

  /** Ends the socket in order: what was sent goes before. */
  close(): void {
    this.#over({ code: CloseCode.Normal, reason: "done" });
  }

  #opened(): void {
    if (this.#isEnded) {
      this.#closeQuietly();
      return;
    }
    stopTimer(this.#openTimer);
    this.#heardAt = monotonicMs();
    this.#pingTimer = setInterval(() => this.#ping(), Math.min(this.#times.pingMs, this.#times.idleMs, LONGEST_MS));
    this.#listener.opened();
  }

  #received(data: unknown): void {
    if (this.#isEnded) {
      return;
    }
    this.#heardAt = monotonicMs();
    this.#hasHeard = true;
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
    if (monotonicMs() - this.#heardAt >= this.#times.idleMs) {
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
      // Safe: it is not open yet, or closed already; one that opens later is closed then.
    }
  }
}
