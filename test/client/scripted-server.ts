import { vi } from "vitest";

import { DurableStream } from "../../rpc/client.ts";
import type { DurableStreamOptions, WebSocketConstructor, WebSocketLike } from "../../rpc/client.ts";

type Event = { type: string; data?: unknown; code?: number; reason?: string; message?: string; error?: unknown };

/** A request as the client sent it; without an id a notification. */
export type SentCall = { id?: number; method: string; params: Record<string, unknown> };

/** Both ends of one socket: the client's, and what a test makes the server do. */
export class ScriptedSocket implements WebSocketLike {
  readonly url: string;
  readonly protocols: readonly string[];
  readonly #listeners = new Map<string, ((event: Event) => void)[]>();
  /** Every frame the client sent, pings included. */
  readonly frames: string[] = [];
  /** Whether the client has closed it. */
  isClosed = false;
  /** What the server does with each call as it comes. */
  onCall: (call: SentCall) => void = () => undefined;

  constructor(url: string, protocols: readonly string[] = []) {
    this.url = url;
    this.protocols = protocols;
  }

  addEventListener(type: string, listener: (event: Event) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  send(frame: string): void {
    this.frames.push(frame);
    if (frame !== "ping") {
      for (const call of callsOf(frame)) {
        this.onCall(call);
      }
    }
  }

  close(): void {
    this.isClosed = true;
  }

  /** The handshake succeeds. */
  open(): void {
    this.#emit({ type: "open" });
  }

  /** Sends text to the client as it is. */
  say(data: unknown): void {
    this.#emit({ type: "message", data });
  }

  /** Answers one call, or several in one frame. */
  answer(...answers: { id: unknown; result?: unknown; error?: object }[]): void {
    const texts = answers.map((answer) => ({ jsonrpc: "2.0", ...answer }));
    this.say(JSON.stringify(texts.length === 1 ? texts[0] : texts));
  }

  notify(method: string, params: object): void {
    this.say(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  /** The connection ends from without. */
  end(code = 1006, reason = ""): void {
    this.#emit({ type: "close", code, reason });
  }

  /** It fails as in Node.js, which tells why and then closes it. */
  fail(message: string, error: Error): void {
    this.#emit({ type: "error", message, error });
    this.end();
  }

  /** All calls the client sent so far, of one method or all. */
  calls(method?: string): SentCall[] {
    return this.frames
      .filter((frame) => frame !== "ping")
      .flatMap(callsOf)
      .filter((call) => method === undefined || call.method === method);
  }

  #emit(event: Event): void {
    for (const listener of this.#listeners.get(event.type) ?? []) {
      listener(event);
    }
  }
}

/** A server that does what a test says, without a network: the clock is vitest's. */
export class ScriptedServer {
  readonly sockets: ScriptedSocket[] = [];
  /** What becomes of each socket a client makes; opens by itself unless given. */
  onConnect: (socket: ScriptedSocket) => void = (socket) => queueMicrotask(() => socket.open());

  /** A client of this server, with quick reconnects. */
  client(options: Partial<DurableStreamOptions> = {}): DurableStream {
    return new DurableStream({
      url: "https://stream.test",
      token: "key",
      WebSocket: this.WebSocket,
      reconnect: { leastMs: 1, mostMs: 1 },
      ...options,
    });
  }

  get WebSocket(): WebSocketConstructor {
    const accept = (socket: ScriptedSocket) => this.#accept(socket);
    return class extends ScriptedSocket {
      constructor(url: string, protocols?: string[]) {
        super(url, protocols);
        accept(this);
      }
    };
  }

  /** The socket there is now. */
  get socket(): ScriptedSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) {
      throw new Error("nobody has connected");
    }
    return socket;
  }

  #accept(socket: ScriptedSocket): void {
    this.sockets.push(socket);
    this.onConnect(socket);
  }
}

/** Lets everything happen that is due within so many milliseconds. */
export async function pass(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

/** A promise that is looked after from the start, as its failure may come before anybody asks. */
export type Watched = { outcome: unknown };

export function watch(promise: Promise<unknown>): Watched {
  const watched: Watched = { outcome: "pending" };
  promise.then(
    (value) => (watched.outcome = { value }),
    (error: unknown) => (watched.outcome = { error }),
  );
  return watched;
}

/** How a promise stands: `pending`, `{ value }` or `{ error }`. */
export async function standing(watched: Watched): Promise<unknown> {
  await pass();
  return watched.outcome;
}

/** The answer to a publish. */
export function published(sequence: number): object {
  return { stream: "s", epoch: "e", sequence, publishedAt: 1, duplicate: false };
}

function callsOf(frame: string): SentCall[] {
  const parsed: SentCall | SentCall[] = JSON.parse(frame);
  return Array.isArray(parsed) ? parsed : [parsed];
}
