import { connect } from "node:net";
import type { Socket } from "node:net";

/** Where a server listens. */
export type Address = { readonly host: string; readonly port: number };

/** A TCP connection that writes once a tick all that was sent in it, so that the driver costs little. */
export class Tcp {
  readonly #socket: Socket;
  #queued: Buffer[] = [];
  /** Given each chunk that comes. */
  onData: (chunk: Buffer) => void = () => undefined;
  /** Called once, when the connection is over by the server's doing. */
  onLost: (error: Error) => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.onData(chunk));
    socket.on("error", (error) => this.onLost(error));
    socket.on("close", () => this.onLost(new Error("the server closed the connection")));
  }

  /** Connects, or rejects. */
  static connect(address: Address): Promise<Tcp> {
    return new Promise((resolve, reject) => {
      const socket = connect(address);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Tcp(socket));
      });
    });
  }

  /** Sends bytes at the end of this tick. */
  send(bytes: Buffer): void {
    if (this.#queued.push(bytes) === 1) {
      process.nextTick(() => {
        const queued = this.#queued;
        this.#queued = [];
        this.#socket.write(queued.length === 1 ? bytes : Buffer.concat(queued));
      });
    }
  }

  /** Ends the connection; nothing is called any more. */
  close(): void {
    this.onData = () => undefined;
    this.onLost = () => undefined;
    this.#socket.destroy();
  }
}

/** Keeps what of a chunk is not complete yet, and puts it before the next one. */
export class Reassembly {
  #rest: Buffer | undefined;

  /** The bytes to look at now. */
  join(chunk: Buffer): Buffer {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    return bytes;
  }

  /** Keeps what was not taken. */
  keep(bytes: Buffer, from: number): void {
    this.#rest = from < bytes.length ? bytes.subarray(from) : undefined;
  }
}
