import type { DurableStream } from "../../../rpc/client.ts";
import type { GetMessagesParams, GetMessagesResult } from "../../../rpc/index.ts";

/** Reads a page of one stream, of what one filter lets pass. */
export type ReadPage = (params: Omit<GetMessagesParams, "stream" | "filter">) => Promise<GetMessagesResult>;

type Work = (read: ReadPage) => Promise<void>;

/** Reads pages of a stream, for one purpose at a time; what was begun for another place is aborted and not heard of again. */
export class PageReader {
  readonly #client: DurableStream;
  readonly #of: { readonly stream: string; readonly filter?: string };
  readonly #changed: () => void;
  #place = new AbortController();
  #pending: Promise<void> | undefined;
  #lastWork: Work | undefined;
  #error: Error | undefined;

  constructor(client: DurableStream, of: { stream: string; filter?: string }, changed: () => void) {
    this.#client = client;
    this.#of = of;
    this.#changed = changed;
  }

  get isBusy(): boolean {
    return this.#pending !== undefined;
  }

  /** Why the last thing could not be read. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Aborts whatever is pending. */
  stop(): void {
    this.#place.abort();
    this.#place = new AbortController();
    this.#pending = undefined;
    this.#error = undefined;
  }

  /** Does one thing that reads. @returns When it is done, has failed or was aborted. */
  run(work: Work): Promise<void> {
    const { signal } = this.#place;
    this.#lastWork = work;
    this.#error = undefined;
    const read: ReadPage = async (params) => {
      const page = await this.#client.getMessages({ ...this.#of, ...params }, { signal });
      signal.throwIfAborted();
      return page;
    };
    const pending: Promise<void> = work(read).then(
      () => this.#done(pending, undefined),
      (error: unknown) => this.#done(pending, errorOf(error)),
    );
    this.#pending = pending;
    this.#changed();
    return pending;
  }

  /** Does again what failed. */
  retry(): Promise<void> {
    return this.#lastWork === undefined ? Promise.resolve() : this.run(this.#lastWork);
  }

  #done(pending: Promise<void>, error: Error | undefined): void {
    if (this.#pending === pending) {
      this.#pending = undefined;
      this.#error = error;
      this.#changed();
    }
  }
}

export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
