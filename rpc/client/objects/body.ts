import { invalid } from "./errors.ts";

/** What an object may be put from. A stream is read once, a part at a time. */
export type ObjectBody = string | Uint8Array | Blob | ReadableStream<Uint8Array>;

/** Arguments of one call of String.fromCharCode; some ten thousand more overflow the stack. */
const CHUNK = 0x2000;

/**
 * A body whose size is known, as one that may be read more than once; a stream stays one.
 *
 * @throws DurableStreamError InvalidParams for text that UTF-8 can not say: other characters would stand for it.
 */
export function sized(body: ObjectBody): Blob | ReadableStream<Uint8Array> {
  if (typeof body === "string" && /\p{Cs}/u.test(body)) {
    throw invalid("data", "must be well-formed Unicode");
  }
  if (typeof body === "string" || body instanceof Uint8Array) {
    // Shared memory, the only thing that the types of a Blob exclude, is refused by the Blob itself.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return new Blob([body as string | Uint8Array<ArrayBuffer>]);
  }
  return body;
}

/** Reads a body in pieces of the sizes asked for. Who has one must release it. */
export class BodyReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #held: Uint8Array = new Uint8Array();
  #isAtEnd = false;

  constructor(body: Blob | ReadableStream<Uint8Array>) {
    this.#reader = (body instanceof Blob ? body.stream() : body).getReader();
  }

  /** The next bytes, fewer than so many at the end only, and none behind it. */
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

  /** Lets go of the source: what was not read of it is not wanted. */
  release(reason?: unknown): void {
    this.#reader.cancel(reason).catch(() => {
      // Safe: a source that fails as it is cancelled is done with all the same.
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
