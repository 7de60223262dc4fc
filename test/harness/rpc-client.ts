import type {
  ErrorData,
  MethodName,
  MethodParams,
  MethodResult,
  NotificationName,
  NotificationParams,
} from "../../rpc/index.ts";

/** How long a test waits for what should happen before it says what did not. */
export const PATIENCE_MS = 15_000;

/** A notification as it came. */
export type Notification = {
  [N in NotificationName]: { method: N; params: NotificationParams<N> };
}[NotificationName];

/** A JSON-RPC response as it came. */
export type Response = {
  jsonrpc: "2.0";
  id: unknown;
  result?: unknown;
  error?: { code: number; message: string; data?: ErrorData };
};

/** An error the server answered with. */
export class CallError extends Error {
  readonly code: number;
  readonly data: ErrorData | undefined;

  constructor(error: NonNullable<Response["error"]>) {
    super(error.message);
    this.code = error.code;
    this.data = error.data;
  }
}

/** The socket closed before the answer came: the call may or may not have been carried out. */
export class ConnectionLost extends Error {}

/**
 * A plain JSON-RPC client that keeps the notifications it hears, whatever its socket is made of: workerd's in the
 * runtime, a package's in Node. It does not reconnect and does not ack: that is up to the test.
 */
export abstract class RpcClient {
  readonly #pending = new Map<unknown, PromiseWithResolvers<Response>>();
  readonly #wakers = new Set<() => void>();
  #lastId = 0;
  /** Every notification so far. */
  readonly notifications: Notification[] = [];
  /** How the socket closed; undefined while it is open. */
  closed: { code: number; reason: string } | undefined;
  /** Called with each notification as it comes, for what can not wait. */
  onNotification: ((notification: Notification) => void) | undefined;

  /** Sends a frame as it is. */
  abstract send(frame: string | ArrayBuffer): void;

  /** Sends a request without an id: no answer comes. */
  notify<M extends MethodName>(method: M, params: MethodParams<M>): void {
    this.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  /** Calls a method; rejects with a {@link CallError}, or {@link ConnectionLost} when nobody knows. */
  async call<M extends MethodName>(method: M, params: MethodParams<M>): Promise<MethodResult<M>> {
    const response = await this.request(method, params);
    if (response.error !== undefined) {
      throw new CallError(response.error);
    }
    // The contract's type of what this very method answers.
    return response.result as MethodResult<M>;
  }

  /** Calls a method that must fail, and tells how. */
  async callError(method: string, params: unknown): Promise<CallError> {
    const response = await this.request(method, params);
    if (response.error === undefined) {
      throw new Error(`${method} succeeded: ${JSON.stringify(response.result)}`);
    }
    return new CallError(response.error);
  }

  /** Sends a request and waits for its response, whatever it is; rejects with {@link ConnectionLost}. */
  request(method: string, params: unknown): Promise<Response> {
    if (this.closed !== undefined) {
      return Promise.reject(new ConnectionLost(`the socket was closed before ${method} was sent`));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    const answered = Promise.withResolvers<Response>();
    this.#pending.set(id, answered);
    this.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return answered.promise;
  }

  /** The notifications of one kind so far, of one subscription or all. */
  of<N extends NotificationName>(method: N, subscription?: number): NotificationParams<N>[] {
    return this.notifications
      .filter((notification) => notification.method === method)
      .map((notification) => notification.params as NotificationParams<N>)
      .filter((params) => subscription === undefined || Reflect.get(params, "subscription") === subscription);
  }

  /** The sequences that came so far, of one subscription or all. */
  sequences(subscription?: number): number[] {
    return this.of("messages", subscription).flatMap((params) => params.messages.map((message) => message.sequence));
  }

  /** Waits until so many messages came, and returns their sequences. */
  async untilMessages(count: number, subscription?: number): Promise<number[]> {
    return this.until(
      () => {
        const sequences = this.sequences(subscription);
        return sequences.length >= count ? sequences : undefined;
      },
      () => `${count} messages, after ${this.sequences(subscription).length}`,
    );
  }

  /** Waits until a condition that a frame or the close may bring about has a value. */
  async until<T>(probe: () => T | undefined, what: string | (() => string)): Promise<T> {
    const found = probe();
    if (found !== undefined) {
      return found;
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#wakers.delete(wake);
        reject(new Error(`waited in vain for ${typeof what === "string" ? what : what()}`));
      }, PATIENCE_MS);
      const wake = (): void => {
        const value = probe();
        if (value !== undefined) {
          clearTimeout(timer);
          this.#wakers.delete(wake);
          resolve(value);
        }
      };
      this.#wakers.add(wake);
    });
  }

  /** Takes a frame of JSON from the socket. */
  protected received(text: string): void {
    const parsed: Response | Notification | Response[] = JSON.parse(text);
    for (const one of Array.isArray(parsed) ? parsed : [parsed]) {
      if ("method" in one) {
        this.notifications.push(one);
        this.onNotification?.(one);
      } else {
        this.#pending.get(one.id)?.resolve(one);
        this.#pending.delete(one.id);
      }
    }
    this.wake();
  }

  /** The socket closed. */
  protected lost(code: number, reason: string): void {
    this.closed = { code, reason };
    for (const { reject } of this.#pending.values()) {
      reject(new ConnectionLost(`the socket closed with ${code} before the answer`));
    }
    this.#pending.clear();
    this.wake();
  }

  /** Something happened that a probe may wait for. */
  protected wake(): void {
    for (const wake of this.#wakers) {
      wake();
    }
  }
}
