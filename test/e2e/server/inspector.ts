import { once } from "node:events";

/** An idle isolate may leave a message of the inspector unread until its next request: so there are some. */
const WAKE_EVERY_MS = 100;

type Answer = { id?: number; result?: unknown; error?: { message: string } };

/** The inspector of a running Worker (chromedevtools.github.io/devtools-protocol). */
export class Inspector {
  readonly #socket: WebSocket;
  readonly #url: string;
  readonly #open = new Map<number, (answer: Answer) => void>();
  #last = 0;

  private constructor(socket: WebSocket, url: string) {
    this.#socket = socket;
    this.#url = url;
    socket.addEventListener("message", ({ data }) => {
      const answer: Answer = JSON.parse(String(data));
      if (answer.id !== undefined) {
        this.#open.get(answer.id)?.(answer);
      }
    });
  }

  /** @param script The name of the Worker. @param url Of the server: what it answers at `/health` wakes it. */
  static async connect(port: number, { script, url }: { script: string; url: string }): Promise<Inspector> {
    const targets = await fetch(`http://127.0.0.1:${port}/json`);
    const listed = (await targets.json()) as { id: string; webSocketDebuggerUrl: string }[];
    const target = listed.find(({ id }) => id.includes(script));
    if (target === undefined) {
      throw new Error(`the inspector does not know ${script}`);
    }
    const socket = new WebSocket(target.webSocketDebuggerUrl);
    await once(socket, "open");
    return new Inspector(socket, url);
  }

  /** Calls a method of the protocol. */
  async call<T>(method: string, params: object = {}): Promise<T> {
    this.#last += 1;
    const id = this.#last;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#open.set(id, resolve);
    this.#socket.send(JSON.stringify({ id, method, params }));
    const waking = setInterval(() => void fetch(new URL("/health", this.#url)).catch(() => undefined), WAKE_EVERY_MS);
    try {
      const { result, error } = await promise;
      if (error !== undefined) {
        throw new Error(`${method}: ${error.message}`);
      }
      return result as T;
    } finally {
      clearInterval(waking);
      this.#open.delete(id);
    }
  }

  /** Has V8 collect all that nothing refers to. */
  async collectGarbage(): Promise<void> {
    await this.call("HeapProfiler.collectGarbage");
  }

  close(): void {
    this.#socket.close();
  }
}
