import { env, exports } from "cloudflare:workers";

import { RpcClient } from "./rpc-client.ts";

export { CallError } from "./rpc-client.ts";

/** Opens a real WebSocket through the Worker, as any client would. */
export async function connect(path = "/rpc", headers: Record<string, string> = {}): Promise<TestClient> {
  const response = await exports.default.fetch(`http://stream.test${path}`, {
    headers: { Upgrade: "websocket", Authorization: `Bearer ${env.API_KEY}`, ...headers },
  });
  const ws = response.webSocket;
  if (ws === null) {
    throw new Error(`the handshake was refused: ${response.status} ${await response.text()}`);
  }
  return new TestClient(ws);
}

/** A client in the runtime, that also keeps every frame, so that a test can look at the order of things. */
export class TestClient extends RpcClient {
  readonly #ws: WebSocket;
  /** Every frame so far, as text. */
  readonly frames: string[] = [];

  constructor(ws: WebSocket) {
    super();
    this.#ws = ws;
    ws.addEventListener("message", ({ data }) => {
      this.frames.push(String(data));
      this.received(String(data));
    });
    ws.addEventListener("close", ({ code, reason }) => this.lost(code, reason));
    ws.accept();
  }

  send(frame: string | ArrayBuffer): void {
    this.#ws.send(frame);
  }

  /** Closes the socket: in order, unless with a code that tells of a failure. */
  close(code = 1000): void {
    this.#ws.close(code, "done");
  }

  /** Sends a frame and returns the next frame that comes and is not a notification. */
  async exchange(frame: string): Promise<unknown> {
    const before = this.frames.length;
    this.send(frame);
    const text = await this.until(
      () => this.frames.slice(before).find((received) => !received.startsWith('{"jsonrpc":"2.0","method"')),
      `an answer to ${frame.slice(0, 100)}`,
    );
    return JSON.parse(text);
  }
}
