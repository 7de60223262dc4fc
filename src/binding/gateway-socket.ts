import type { WebSocketConstructor, WebSocketLike } from "../../rpc/client.ts";
import type { SocketEvent } from "../../rpc/client/connection/socket.ts";

import type { Access } from "../access/access.ts";
import { openSocket } from "../gateway/open-socket.ts";
import { logError } from "../platform/log.ts";

/** In place of a data centre's name: an RPC call does not tell where it comes from. */
const LOCATION = "service";

/** Who opens a socket to a gateway from within this Worker. */
export type GatewayCaller = { readonly env: Env; readonly access: Access };

/** The WebSocket class for a client inside this Worker: it connects to a gateway directly, so no key is asked for. */
export function gatewaySockets(caller: GatewayCaller): WebSocketConstructor {
  return class extends GatewaySocket {
    constructor() {
      super(caller);
    }
  };
}

class GatewaySocket implements WebSocketLike {
  readonly #listeners: { readonly type: string; readonly hear: (event: SocketEvent) => void }[] = [];
  #ws: WebSocket | undefined;

  constructor(caller: GatewayCaller) {
    void this.#open(caller);
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

  async #open({ env, access }: GatewayCaller): Promise<void> {
    try {
      // By fetch: a WebSocket can not cross an RPC boundary.
      const handshake = new Request("https://gateway/rpc", { headers: { Upgrade: "websocket" } });
      const { status, webSocket } = await openSocket(env, { location: LOCATION, access }, handshake);
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
