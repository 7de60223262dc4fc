import { CLIENT_LIMITS } from "../../protocol/client-limits.ts";
import type { GetObjectResult, ObjectInfo } from "../../schemas/object.ts";

import { DurableStreamError } from "../error.ts";
import { fromBase64 } from "./body.ts";
import { changed } from "./errors.ts";
import type { HttpObjects } from "./http.ts";
import type { Operation } from "./operation.ts";
import type { CallOptions } from "../calls/pending-call.ts";
import { isRetryable } from "../retry.ts";
import { monotonicMs } from "../time.ts";

type GetObject = (
  params: { key: string; range?: { offset: number; length: number }; encoding: "base64" },
  options: CallOptions,
) => Promise<GetObjectResult>;

/** An opened object: its info and its bytes in order. */
export type OpenedObject = { readonly info: ObjectInfo; readonly pieces: AsyncGenerator<Uint8Array, void, void> };

/** How an object is reached: by calls, and over HTTP unless `http` is undefined. */
export type ObjectSource = {
  readonly key: string;
  readonly getObject: GetObject;
  readonly http: HttpObjects | undefined;
};

/** Opens an object with a call, which returns all bytes of a small one. The operation ends when the pieces end. */
export async function openObject(source: ObjectSource, operation: Operation): Promise<OpenedObject> {
  const { data, encoding: _encoding, range: _range, ...info } = await firstPage(source, operation);
  return { info, pieces: piecesOf(source, { info, first: fromBase64(data) }, operation) };
}

/** The pieces as a stream. Cancelling it stops the operation. */
export function toStream(pieces: OpenedObject["pieces"], operation: Operation): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      operation.signal.addEventListener("abort", () => {
        controller.error(operation.signal.reason);
        letGo(pieces);
      });
    },
    async pull(controller) {
      const piece = await pieces.next();
      if (piece.done === true) {
        controller.close();
      } else {
        controller.enqueue(piece.value);
      }
    },
    cancel(reason) {
      operation.stop(reason);
    },
  });
}

/** The first bytes of an object. One that is empty has no range, so it is read without one. */
async function firstPage({ key, getObject }: ObjectSource, operation: Operation): Promise<GetObjectResult> {
  const whole = { key, encoding: "base64" as const };
  const ranged = { ...whole, range: { offset: 0, length: CLIENT_LIMITS.objectBodyBytes } };
  const get = async (params: typeof whole | typeof ranged) =>
    operation.persist((options) => getObject(params, options));
  try {
    return await get(ranged);
  } catch (error) {
    if (!isNamed(error, "InvalidParams")) {
      throw error;
    }
  }
  try {
    return await get(whole);
  } catch (error) {
    if (isNamed(error, "TooLarge")) {
      // A large object has replaced the empty one in between.
      return get(ranged);
    }
    throw error;
  }
}

async function* piecesOf(
  source: ObjectSource,
  { info, first }: { info: ObjectInfo; first: Uint8Array },
  operation: Operation,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    let offset = first.length;
    if (offset >= info.size) {
      operation.leave();
    }
    if (offset > 0) {
      yield first;
    }
    const url = source.http?.urlOf(source.key);
    if (source.http !== undefined && url !== undefined) {
      for await (const piece of overHttp(source.http, { url, info, offset }, operation)) {
        offset += piece.length;
        yield piece;
      }
    }
    while (offset < info.size) {
      const piece = await page(source, { info, offset }, operation);
      offset += piece.length;
      yield piece;
    }
  } finally {
    operation.end();
  }
}

/**
 * The bytes from an offset on, over HTTP. A broken body is resumed, until no byte has arrived for the timeout of a call. It
 * yields nothing when HTTP can not serve them.
 */
async function* overHttp(
  http: HttpObjects,
  { url, info, offset: from }: { url: string; info: ObjectInfo; offset: number },
  operation: Operation,
): AsyncGenerator<Uint8Array, void, void> {
  let offset = from;
  let failures = 0;
  let failingSince: number | undefined;
  while (offset < info.size) {
    let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
    try {
      reader = await http.open(url, { offset, etag: info.etag }, operation);
      if (reader === undefined) {
        return;
      }
      while (offset < info.size) {
        const piece = await nextPiece(reader, operation);
        offset += piece.length;
        if (offset > info.size) {
          throw new DurableStreamError("InternalError", "more came than there is of the object");
        }
        failures = 0;
        failingSince = undefined;
        yield piece;
      }
    } catch (error) {
      operation.signal.throwIfAborted();
      const failure = asFailure(error);
      failures += 1;
      failingSince ??= monotonicMs();
      if (!isRetryable(failure) || monotonicMs() - failingSince >= operation.patienceMs) {
        throw failure;
      }
      await operation.pause(failure, failures);
    } finally {
      reader?.cancel().catch(() => {
        // Safe: the body is not read any more.
      });
    }
  }
}

/** @throws DurableStreamError Unavailable when the body ends too early or times out. What the body fails with. */
async function nextPiece(reader: ReadableStreamDefaultReader<Uint8Array>, operation: Operation): Promise<Uint8Array> {
  const read = await operation.within(() => reader.read(), operation.patienceMs);
  if (read.done) {
    throw new DurableStreamError("Unavailable", "the body ended too early");
  }
  return read.value;
}

/** The bytes of one call from an offset on. */
async function page(
  { key, getObject }: ObjectSource,
  { info, offset }: { info: ObjectInfo; offset: number },
  operation: Operation,
): Promise<Uint8Array> {
  const params = { key, range: { offset, length: CLIENT_LIMITS.objectBodyBytes }, encoding: "base64" as const };
  try {
    const { etag, data } = await operation.persist((options) => getObject(params, options));
    if (etag !== info.etag) {
      throw changed({ etag });
    }
    return fromBase64(data);
  } catch (error) {
    // The offset is beyond the end of a new, shorter version.
    throw isNamed(error, "InvalidParams") ? changed({}) : error;
  }
}

function isNamed(error: unknown, name: "InvalidParams" | "TooLarge"): boolean {
  return error instanceof DurableStreamError && error.name === name;
}

/** `fetch` and its bodies throw various errors when a connection is lost: Unavailable stands for them. */
function asFailure(error: unknown): DurableStreamError {
  return error instanceof DurableStreamError
    ? error
    : new DurableStreamError("Unavailable", "the object could not be read over HTTP", { cause: error });
}

function letGo(pieces: OpenedObject["pieces"]): void {
  pieces.return().catch(() => {
    // Safe: the reader of the stream got its error.
  });
}
