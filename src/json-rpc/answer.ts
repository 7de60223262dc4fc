import { utf8Bytes } from "../internal/message-text.ts";

/**
 * What is answered to a frame. Its text is put in here, and not what promises are resolved with: a call may have waited for
 * long, and V8 keeps what an old promise or async function was given last until a full collection, which stops the isolate.
 */
export class Answer {
  readonly #isBatch: boolean;
  readonly #responses: (string | undefined)[] = [];
  #bytes = 0;
  /** Characters that had their turn to be sent before they were made. */
  turned = 0;

  /** @param isBatch Whether the responses are sent as an array, without those to notifications. */
  constructor(isBatch: boolean) {
    this.#isBatch = isBatch;
  }

  /** Adds the response to the next call of the frame; undefined for none. */
  add(response: string | undefined): void {
    this.#responses.push(response);
    // To count a page copies it: that of a single call is counted only where it is asked for.
    this.#bytes += response === undefined || !this.#isBatch ? 0 : utf8Bytes(response);
  }

  /** Adds responses that are ASCII, but for what an error quotes. */
  addSmall(responses: readonly (string | undefined)[]): void {
    for (const response of responses) {
      this.#responses.push(response);
      this.#bytes += response?.length ?? 0;
    }
  }

  /** Bytes of the responses so far, in UTF-8. */
  get bytes(): number {
    return this.#isBatch ? this.#bytes : utf8Bytes(this.#responses[0] ?? "");
  }

  /** Length of the responses so far, in UTF-16. */
  get characters(): number {
    return this.#responses.reduce((sum, response) => sum + (response?.length ?? 0), 0);
  }

  /** The text to send; undefined when there is nothing to answer. */
  get text(): string | undefined {
    if (!this.#isBatch) {
      return this.#responses[0];
    }
    const texts = this.#responses.filter((response) => response !== undefined);
    return texts.length === 0 ? undefined : `[${texts.join(",")}]`;
  }

  /** To be called when it is sent. */
  clear(): void {
    this.#responses.length = 0;
  }
}
