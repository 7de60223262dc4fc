import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** One connection through the proxy: `near` is the client's end, `far` the server's. */
class Connection {
  readonly near: Socket;
  readonly far: Socket;
  #isFrozen = false;
  /** Bytes that still go through in each direction before the connection is cut. */
  #bytesLeft = Number.POSITIVE_INFINITY;

  constructor(near: Socket, far: Socket) {
    this.near = near;
    this.far = far;
    this.#forward(near, far);
    this.#forward(far, near);
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** Ends it without a goodbye, at once or within the bytes that come next. */
  cut(afterBytes = 0): void {
    this.#bytesLeft = afterBytes;
    if (afterBytes === 0) {
      this.near.destroy();
      this.far.destroy();
    }
  }

  /** Nothing goes through any more, and neither side is told. */
  freeze(): void {
    this.#isFrozen = true;
  }

  #forward(from: Socket, to: Socket): void {
    from.on("data", (chunk: Buffer) => {
      if (this.#isFrozen) {
        return;
      }
      to.write(chunk.subarray(0, this.#bytesLeft));
      this.#bytesLeft -= chunk.length;
      if (this.#bytesLeft < 0) {
        to.end(() => this.cut());
      }
    });
    from.on("close", () => {
      // A frozen connection does not even tell that one side is gone.
      if (!this.#isFrozen) {
        to.destroy();
      }
    });
    from.on("error", () => undefined);
  }
}

/** A TCP proxy on 127.0.0.1 whose connections a test can cut or freeze. */
export class Proxy {
  readonly #server = createServer((near) => this.#accept(near));
  readonly #targetPort: number;
  readonly #connections = new Set<Connection>();

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
  }

  /** @param target URL of the server behind it, which may come and go. */
  static async to(target: string): Promise<Proxy> {
    const proxy = new Proxy(Number(new URL(target).port));
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    // Listening on a port, so an address it is.
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** The connections that work. */
  get connections(): Connection[] {
    return [...this.#connections].filter((connection) => !connection.isFrozen);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const connection of this.#connections) {
      connection.cut();
    }
    await once(this.#server, "close");
  }

  #accept(near: Socket): void {
    const far = connect({ host: "127.0.0.1", port: this.#targetPort });
    const connection = new Connection(near, far);
    this.#connections.add(connection);
    near.once("close", () => {
      this.#connections.delete(connection);
      far.destroy();
    });
  }
}
