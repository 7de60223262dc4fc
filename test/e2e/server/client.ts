import { WebSocket } from "ws";

import { PATIENCE_MS, RpcClient } from "../../harness/rpc-client.ts";

export { CallError, ConnectionLost } from "../../harness/rpc-client.ts";

/** Where to connect and as whom; a `Server` is one. */
export type Target = { readonly url: string; readonly apiKey: string };

/** A client in Node, over a socket that can be paused and dropped. */
export class Client extends RpcClient {
  readonly #ws: WebSocket;
  readonly #whenClosed = Promise.withResolvers<void>();
  #pongs = 0;

  /**
   * Opens a socket; rejects when the handshake is refused.
   *
   * @param path `/rpc` or `/stream/<name>`.
   */
  static async connect({ url, apiKey }: Target, path = "/rpc"): Promise<Client> {
    const ws = new WebSocket(new URL(path, url.replace(/^http/, "ws")), {
      headers: { Authorization: `Bearer ${apiKey}` },
      perMessageDeflate: false,
      handshakeTimeout: PATIENCE_MS,
    });
    // The client listens from the start: the first frame may come with the handshake.
    const client = new Client(ws);
    await new Promise((resolve, reject) => {
      ws.once("open", resolve);
      ws.once("error", reject);
    });
    return client;
  }

  private constructor(ws: WebSocket) {
    super();
    this.#ws = ws;
    ws.on("message", (data: Buffer) => this.#take(data.toString()));
    ws.on("error", () => undefined);
    ws.on("close", (code, reason) => {
      this.lost(code, reason.toString());
      this.#whenClosed.resolve();
    });
  }

  send(frame: string | ArrayBuffer | Uint8Array): void {
    this.#ws.send(frame);
  }

  /** Stops reading from the network, as a client that hangs does; {@link resume} goes on. */
  pause(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  /** Closes the socket and waits until it is closed. */
  async close(): Promise<void> {
    this.#ws.close(1000, "done");
    await this.untilClosed();
  }

  /** Drops the connection without a goodbye. */
  terminate(): void {
    this.#ws.terminate();
  }

  /** Sends the text frame `ping` and waits for its `pong`. */
  async ping(): Promise<void> {
    const before = this.#pongs;
    this.send("ping");
    await this.until(() => this.#pongs > before || undefined, "a pong");
  }

  /** Waits for the close, as long as it takes. */
  get whenClosed(): Promise<void> {
    return this.#whenClosed.promise;
  }

  /** Waits for a close that should come. */
  async untilClosed(): Promise<{ code: number; reason: string }> {
    return this.until(() => this.closed, "the socket to close");
  }

  #take(text: string): void {
    if (text === "pong") {
      this.#pongs += 1;
      this.wake();
    } else {
      this.received(text);
    }
  }
}
