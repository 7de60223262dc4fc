import { errorNameOf, LIMITS, RpcError } from "../rpc/index.ts";
import type { AckParams, ErrorData, NotificationName, NotificationParams, SubscribeResult } from "../rpc/index.ts";

import { gatewayAt } from "./gateway-at.ts";

/** A notification of the contract, as it came. */
export type Notified = { [N in NotificationName]: { method: N; params: NotificationParams<N> } }[NotificationName];

/** Who hears of a socket: what comes on it, and once, that it is gone. */
export type GatewayListener = {
  notified(socket: GatewaySocket, notification: Notified): void;
  lost(socket: GatewaySocket): void;
};

type Failure = { code: number; message: string; data?: ErrorData };
type Answer = { id: number; result: SubscribeResult } | { id: number; error: Failure };

/** Gateways that no data centre's clients share: an RPC call does not tell where it comes from. */
const LOCATION = "service";

/** A socket from the Worker to one of its gateways that follows one stream, as a client's does. */
export class GatewaySocket {
  readonly #ws: WebSocket;
  readonly #listener: GatewayListener;
  readonly #answered = Promise.withResolvers<SubscribeResult>();
  readonly #pings: ReturnType<typeof setInterval>;
  #heardAt = Date.now();
  #isClosed = false;

  /** Opens a socket to a gateway. */
  static async open(env: Env, listener: GatewayListener): Promise<GatewaySocket> {
    // A handshake is the one request that goes by fetch: a WebSocket can not cross an RPC boundary.
    const response = await gatewayAt(env, LOCATION).fetch("https://gateway/rpc", { headers: { Upgrade: "websocket" } });
    if (response.webSocket === null) {
      throw new Error(`a gateway answered a handshake with ${response.status}`);
    }
    return new GatewaySocket(response.webSocket, listener);
  }

  private constructor(ws: WebSocket, listener: GatewayListener) {
    this.#ws = ws;
    this.#listener = listener;
    // Nobody may be waiting when the socket goes.
    this.#answered.promise.catch(() => undefined);
    ws.addEventListener("message", ({ data }) => this.#received(String(data)));
    ws.addEventListener("close", () => this.#over());
    ws.addEventListener("error", () => this.#over());
    ws.accept();
    this.#pings = setInterval(() => this.#ping(), LIMITS.pingMs);
  }

  /** Follows a stream; once a socket. */
  subscribe(params: object): Promise<SubscribeResult> {
    this.#send({ jsonrpc: "2.0", id: 1, method: "subscribe", params });
    return this.#answered.promise;
  }

  ack(params: AckParams): void {
    this.#send({ jsonrpc: "2.0", method: "ack", params });
  }

  /** Closes it; the listener hears nothing more. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#pings);
    this.#answered.reject(new Error("the socket to a gateway was closed"));
    try {
      this.#ws.close(1000, "done");
    } catch {
      // Safe: it is closed already.
    }
  }

  #send(call: object): void {
    if (!this.#isClosed) {
      this.#ws.send(JSON.stringify(call));
    }
  }

  #received(text: string): void {
    this.#heardAt = Date.now();
    if (this.#isClosed || text === "pong") {
      return;
    }
    // From our own gateway, in the contract's form.
    const frame: Notified | Answer = JSON.parse(text);
    if ("method" in frame) {
      this.#listener.notified(this, frame);
    } else if ("result" in frame) {
      this.#answered.resolve(frame.result);
    } else {
      const { code, message, data } = frame.error;
      this.#answered.reject(new RpcError(errorNameOf(code) ?? "InternalError", message, data));
    }
  }

  #ping(): void {
    if (Date.now() - this.#heardAt > LIMITS.idleCloseMs) {
      this.#over();
    } else {
      this.#ws.send("ping");
    }
  }

  #over(): void {
    if (!this.#isClosed) {
      this.close();
      this.#listener.lost(this);
    }
  }
}
