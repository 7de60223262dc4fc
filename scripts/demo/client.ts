import type { MethodName, MethodParams, MethodResult, NotificationName, NotificationParams } from "../../rpc/index.ts";

/** Where the server is and the key to it. */
export type Server = { url: string; apiKey: string };

/** A notification of the server. */
export type Notification = {
  [N in NotificationName]: { method: N; params: NotificationParams<N> };
}[NotificationName];

type Response = { id: number; result?: unknown; error?: { code: number; message: string } };
type Pending = { resolve: (result: unknown) => void; reject: (reason: Error) => void };

/** JSON-RPC over one WebSocket, in as few lines as it takes. */
export class Client {
  readonly #ws: WebSocket;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  onNotification: (notification: Notification) => void = () => undefined;

  /** The key goes as a subprotocol, which a browser can do too. */
  constructor({ url, apiKey }: Server) {
    const bearer = `bearer.${Buffer.from(apiKey).toString("base64url")}`;
    this.#ws = new WebSocket(new URL("/rpc", url.replace(/^http/, "ws")), ["durable-stream.v1", bearer]);
    this.#ws.addEventListener("message", ({ data }) => this.#receive(JSON.parse(String(data))));
    this.#ws.addEventListener("close", ({ code, reason }) => this.#fail(`the socket closed: ${code} ${reason}`));
  }

  /** Waits until calls can be made. */
  async whenOpen(): Promise<this> {
    if (this.#ws.readyState !== WebSocket.OPEN) {
      await new Promise((resolve, reject) => {
        this.#ws.addEventListener("open", resolve);
        this.#ws.addEventListener("error", () => reject(new Error("could not connect")));
      });
    }
    return this;
  }

  call<M extends MethodName>(method: M, params: MethodParams<M>): Promise<MethodResult<M>> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      // The contract's type of what this very method answers.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      this.#pending.set(id, { resolve: (result) => resolve(result as MethodResult<M>), reject });
      this.#ws.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  /** A call without an id: no answer comes. */
  notify<M extends MethodName>(method: M, params: MethodParams<M>): void {
    if (this.#ws.readyState === WebSocket.OPEN) {
      this.#ws.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
    }
  }

  close(): void {
    this.#ws.close(1000);
  }

  #receive(frame: Response | Notification): void {
    if ("method" in frame) {
      this.onNotification(frame);
      return;
    }
    const pending = this.#pending.get(frame.id);
    this.#pending.delete(frame.id);
    if (frame.error === undefined) {
      pending?.resolve(frame.result);
    } else {
      pending?.reject(new Error(`${frame.error.message} (${frame.error.code})`));
    }
  }

  #fail(reason: string): void {
    for (const { reject } of this.#pending.values()) {
      reject(new Error(reason));
    }
    this.#pending.clear();
  }
}
