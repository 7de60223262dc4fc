/** What an object may be put from. A stream is read once, a part at a time. */
export type ObjectBody = string | Uint8Array | Blob | ReadableStream<Uint8Array>;

/** Arguments of one call of String.fromCharCode; some ten thousand more overflow the stack. */
const CHUNK = 0x2000;

/** The parts of a body, each of so many bytes but for the last; an empty body has one empty part. */
export async function* partsOf(body: ObjectBody, partBytes: number): AsyncGenerator<Uint8Array> {
  let held = new Uint8Array(partBytes);
  let length = 0;
  let isAny = false;
  for await (const piece of piecesOf(body)) {
    for (let at = 0; at < piece.length;) {
      const taken = piece.subarray(at, at + partBytes - length);
      held.set(taken, length);
      length += taken.length;
      at += taken.length;
      if (length === partBytes) {
        yield held;
        isAny = true;
        held = new Uint8Array(partBytes);
        length = 0;
      }
    }
  }
  if (length > 0 || !isAny) {
    yield held.subarray(0, length);
  }
}

async function* piecesOf(body: ObjectBody): AsyncGenerator<Uint8Array> {
  if (typeof body === "string") {
    yield new TextEncoder().encode(body);
  } else if (body instanceof Uint8Array) {
    yield body;
  } else {
    const reader = (body instanceof Blob ? body.stream() : body).getReader();
    try {
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        yield read.value;
      }
    } finally {
      await reader.cancel();
    }
  }
}

export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  }
  return btoa(binary);
}

/** Bytes of a body as `getObject` says it. */
export function fromEncoded({ data, encoding }: { data: string; encoding: "utf8" | "base64" }): Uint8Array {
  return encoding === "utf8"
    ? new TextEncoder().encode(data)
    : Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
}
