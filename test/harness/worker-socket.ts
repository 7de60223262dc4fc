import { exports } from "cloudflare:workers";

import type { WebSocketLike } from "../../rpc/client.ts";

type Event = { type: string; data?: unknown; code?: number; reason?: string };

/** A WebSocket as a client makes one, over the Worker of these tests instead of a network. */
export class WorkerSocket implements WebSocketLike {
  readonly #events = new EventTarget();
  #ws: WebSocket | undefined;

  constructor(url: string, protocols: string[] = []) {
    void this.#open(url.replace("wss:", "https:"), protocols);
  }

  addEventListener(type: string, listener: (event: Event) => void): void {
    this.#events.addEventListener(type, (event) => {
      listener("detail" in event ? (event.detail as Event) : event);
    });
  }

  send(data: string): void {
    this.#ws?.send(data);
  }

  close(): void {
    this.#ws?.close(1000, "done");
  }

  async #open(url: string, protocols: string[]): Promise<void> {
    try {
      const headers = { Upgrade: "websocket", "Sec-WebSocket-Protocol": protocols.join(", ") };
      const { webSocket } = await exports.default.fetch(url, { headers });
      if (webSocket === null) {
        throw new Error("the handshake was refused");
      }
      this.#ws = webSocket;
      webSocket.addEventListener("message", ({ data }) => this.#tell({ type: "message", data }));
      webSocket.addEventListener("close", ({ code, reason }) => this.#tell({ type: "close", code, reason }));
      webSocket.addEventListener("error", () => this.#tell({ type: "error" }));
      webSocket.accept();
      this.#tell({ type: "open" });
    } catch {
      this.#tell({ type: "error" });
    }
  }

  #tell(detail: Event): void {
    this.#events.dispatchEvent(new CustomEvent(detail.type, { detail }));
  }
}
