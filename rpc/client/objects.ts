import { LIMITS } from "../limits.ts";
import type { MethodParams, MethodResult } from "../methods.ts";

import { DurableStreamError } from "./error.ts";
import { fromEncoded, partsOf, toBase64 } from "./object-body.ts";
import type { ObjectBody } from "./object-body.ts";
import type { CallOptions } from "./open-call.ts";

/** How an object is put. */
export type PutOptions = CallOptions &
  Pick<MethodParams<"putObject">, "contentType" | "metadata" | "ifMatch" | "ifNoneMatch" | "sha256">;

/** An object as it is read: `body` in pieces, whatever its size. */
export type ReadObject = MethodResult<"headObject"> & { readonly body: ReadableStream<Uint8Array> };

type ObjectInfo = MethodResult<"headObject">;

/** The methods of the contract that objects are read and written by. */
export type ObjectCalls = {
  [M in "getObject" | "putObject" | "createUpload" | "uploadPart" | "completeUpload" | "abortUpload" | "publish"]: (
    params: MethodParams<M>,
    options?: CallOptions,
  ) => Promise<MethodResult<M>>;
};

/**
 * Objects over the client's socket: in one call what fits a frame, and larger ones in parts, up to `uploadParts` of
 * `objectBodyBytes`. What is larger still goes to `/r2/<key>` over HTTP.
 */
export class Objects {
  readonly #client: ObjectCalls;

  constructor(client: ObjectCalls) {
    this.#client = client;
  }

  /**
   * Puts an object; it is there as a whole or not at all.
   *
   * @throws DurableStreamError Conflict (`ifMatch`, `ifNoneMatch`), TooLarge beyond `uploadParts` parts.
   */
  async put(key: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const { signal, timeoutMs, ...params } = options;
    const calling = withDefined({ signal, timeoutMs });
    const parts = partsOf(body, LIMITS.objectBodyBytes);
    const first = await parts.next();
    const second = await parts.next();
    const data = first.done === true ? new Uint8Array() : first.value;
    if (second.done === true) {
      const encoded = { data: toBase64(data), encoding: "base64" as const };
      return this.#client.putObject({ key, ...params, ...encoded }, calling);
    }
    return this.#putParts(key, joined([data, second.value], parts), params, calling);
  }

  /** Opens an object. A body that changes while it is read fails with Conflict. */
  async get(key: string, options: CallOptions = {}): Promise<ReadObject> {
    const read = (offset: number) =>
      this.#client.getObject({ key, range: { offset, length: LIMITS.objectBodyBytes } }, options);
    const { data, encoding, range: _range, ...info } = await this.#readFirst(key, read, options);
    let next: Uint8Array | undefined = fromEncoded({ data, encoding });
    let offset = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        if (offset >= info.size) {
          controller.close();
          return;
        }
        let piece = next;
        next = undefined;
        if (piece === undefined) {
          const page = await read(offset);
          if (page.etag !== info.etag) {
            throw new DurableStreamError("Conflict", "the object changed while it was read", {
              data: { etag: page.etag },
            });
          }
          piece = fromEncoded(page);
        }
        offset += piece.length;
        controller.enqueue(piece);
      },
    });
    return { ...info, body };
  }

  /**
   * Publishes what is too large for a message: puts it as an object, and publishes `{ object: { key, etag, size } }`,
   * the claim check a follower gets it by.
   */
  async publish(
    params: Omit<MethodParams<"publish">, "data">,
    key: string,
    body: ObjectBody,
  ): Promise<MethodResult<"publish">> {
    const { etag, size } = await this.put(key, body);
    return this.#client.publish({ ...params, data: { object: { key, etag, size } } });
  }

  /** An empty object has no range to read. */
  async #readFirst(
    key: string,
    read: (offset: number) => Promise<MethodResult<"getObject">>,
    options: CallOptions,
  ): Promise<MethodResult<"getObject">> {
    try {
      return await read(0);
    } catch (error) {
      if (error instanceof DurableStreamError && error.name === "InvalidParams") {
        return this.#client.getObject({ key }, options);
      }
      throw error;
    }
  }

  async #putParts(
    key: string,
    parts: AsyncIterable<Uint8Array>,
    { contentType, metadata, ...conditions }: Omit<PutOptions, keyof CallOptions>,
    calling: CallOptions,
  ): Promise<ObjectInfo> {
    const kept = withDefined({ contentType, metadata });
    const { uploadId } = await this.#client.createUpload({ key, ...kept }, calling);
    try {
      const uploaded = [];
      let partNumber = 0;
      for await (const part of parts) {
        partNumber += 1;
        const params = { key, uploadId, partNumber, data: toBase64(part), encoding: "base64" as const };
        uploaded.push(await this.#client.uploadPart(params, calling));
      }
      return await this.#client.completeUpload({ key, uploadId, parts: uploaded, ...conditions }, calling);
    } catch (error) {
      this.#client.abortUpload({ key, uploadId }).catch(() => {
        // Safe: an upload that is not completed is dropped in time.
      });
      throw error;
    }
  }
}

async function* joined(first: readonly Uint8Array[], rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* first;
  yield* rest;
}

/** The contract knows fields that are left out, and no undefined. */
function withDefined<T extends object>(fields: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  // Only what is undefined is left out.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]?: Exclude<T[Name], undefined>;
  };
}
