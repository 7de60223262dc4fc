import { invalid } from "./errors.ts";

/** The body of an object that is put. A stream is read once, one part at a time. */
export type ObjectBody = string | Uint8Array | Blob | ReadableStream<Uint8Array>;

/** Arguments of one call of String.fromCharCode; some ten thousand more would overflow the stack. */
const CHUNK = 0x2000;

/**
 * Turns a body whose size is known into a Blob, which can be read more than once. A stream is returned as it is.
 *
 * @throws DurableStreamError InvalidParams for text with a lone surrogate, which UTF-8 can not encode.
 */
export function sized(body: ObjectBody): Blob | ReadableStream<Uint8Array> {
  if (typeof body === "string" && /\p{Cs}/u.test(body)) {
    throw invalid("data", "must be well-formed Unicode");
  }
  if (typeof body === "string" || body instanceof Uint8Array) {
    // The types of Blob exclude only shared memory, for which its constructor throws.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return new Blob([body as string | Uint8Array<ArrayBuffer>]);
  }
  return body;
}

/** Reads a body in pieces of the sizes asked for. The caller must release it. */
export class BodyReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Read from the source and not returned yet. */
  #held: Uint8Array = new Uint8Array();
  #isAtEnd = false;

  constructor(body: Blob | ReadableStream<Uint8Array>) {
    this.#reader = (body instanceof Blob ? body.stream() : body).getReader();
  }

  /** Reads the next bytes: fewer than `bytes` only at the end, and none after it. */
  async read(bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const piece = new Uint8Array(bytes);
    let length = 0;
    while (length < bytes) {
      if (this.#held.length === 0) {
        const read = this.#isAtEnd ? undefined : await this.#reader.read();
        if (read === undefined || read.done) {
          this.#isAtEnd = true;
          break;
        }
        this.#held = read.value;
      }
      const taken = this.#held.subarray(0, bytes - length);
      piece.set(taken, length);
      length += taken.length;
      this.#held = this.#held.subarray(taken.length);
    }
    return piece.subarray(0, length);
  }

  /** Cancels the source, and with it what was not read. */
  release(reason?: unknown): void {
    this.#reader.cancel(reason).catch(() => {
      // Safe: nothing more is read from a source, also when its cancel fails.
    });
    this.#reader.releaseLock();
  }
}

export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  }
  return btoa(binary);
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
