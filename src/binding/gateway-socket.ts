import type { WebSocketConstructor, WebSocketLike } from "../../rpc/client.ts";
import type { SocketEvent } from "../../rpc/client/connection/socket.ts";

import { gatewayAt } from "../gateway/pick-gateway.ts";
import { logError } from "../platform/log.ts";

/** In place of a data centre's name: an RPC call does not tell where it comes from. */
const LOCATION = "service";

/** The WebSocket class for a client inside this Worker: it connects to a gateway directly, so no key is asked for. */
export function gatewaySockets(env: Env): WebSocketConstructor {
  return class extends GatewaySocket {
    constructor() {
      super(env);
    }
  };
}

class GatewaySocket implements WebSocketLike {
  readonly #listeners: { readonly type: string; readonly hear: (event: SocketEvent) => void }[] = [];
  #ws: WebSocket | undefined;

  constructor(env: Env) {
    void this.#open(env);
  }

  addEventListener(type: string, hear: (event: SocketEvent) => void): void {
    this.#listeners.push({ type, hear });
  }

  send(data: string): void {
    this.#ws?.send(data);
  }

  close(code?: number, reason?: string): void {
    this.#ws?.close(code, reason);
  }

  async #open(env: Env): Promise<void> {
    try {
      // By fetch: a WebSocket can not cross an RPC boundary.
      const gateway = gatewayAt(env, LOCATION);
      const { status, webSocket } = await gateway.fetch("https://gateway/rpc", { headers: { Upgrade: "websocket" } });
      if (webSocket === null) {
        throw new Error(`a gateway answered a handshake with ${status}`);
      }
      this.#ws = webSocket;
      webSocket.addEventListener("message", ({ type, data }) => this.#tell({ type, data }));
      webSocket.addEventListener("close", ({ type, code, reason }) => this.#tell({ type, code, reason }));
      webSocket.addEventListener("error", ({ type }) => this.#tell({ type }));
      webSocket.accept();
      this.#tell({ type: "open" });
    } catch (error) {
      // The client tries again, and does not learn why.
      logError("a gateway could not be connected to", error);
      this.#tell({ type: "error" });
    }
  }

  #tell(event: SocketEvent): void {
    for (const { type, hear } of this.#listeners) {
      if (type === event.type) {
        hear(event);
      }
    }
  }
}
