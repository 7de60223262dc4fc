import { DurableStream } from "../../../rpc/client.ts";
import type { ConnectionChange } from "../../../rpc/client.ts";

/** A person waits: no longer than this between two attempts to connect. */
const MOST_BETWEEN_ATTEMPTS_MS = 3_000;

/** What is known of the connection. */
export type Connection = ConnectionChange & {
  /** How many sockets were opened, this one included. */
  readonly opened: number;
  /** Of the open socket, or the last one; in milliseconds since the epoch. */
  readonly openedAt?: number;
};

/** One credential and the client that has it: from when it is given until it is refused or forgotten. */
export class Session {
  readonly token: string;
  readonly client: DurableStream;
  readonly #listeners = new Set<() => void>();
  #connection: Connection = { state: "idle", opened: 0 };

  constructor(token: string) {
    this.token = token;
    this.client = new DurableStream({
      url: location.origin,
      token,
      reconnect: { mostMs: MOST_BETWEEN_ATTEMPTS_MS },
      onState: (change) => this.#changed(change),
    });
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** Calls a listener at each change of the connection, until the function that it returns is called. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Closes the socket, for good. */
  end(): void {
    this.#listeners.clear();
    void this.client.close();
  }

  #changed(change: ConnectionChange): void {
    const { opened, openedAt } = this.#connection;
    this.#connection =
      change.state === "open"
        ? { ...change, opened: opened + 1, openedAt: Date.now() }
        : { ...change, opened, ...(openedAt === undefined ? {} : { openedAt }) };
    for (const listener of this.#listeners) {
      listener();
    }
  }
}
