import { LIMITS } from "../../limits.ts";
import type { MethodParams, MethodResult } from "../../methods.ts";

import { DurableStreamError } from "../error.ts";
import { BodyReader, sized, toBase64 } from "./body.ts";
import type { ObjectBody } from "./body.ts";
import { claimCheck, isClaimCheck } from "./claim-check.ts";
import { changed } from "./errors.ts";
import type { PutParams } from "./headers.ts";
import { HttpObjects } from "./http.ts";
import type { HttpAccess } from "./http.ts";
import { Operation } from "./operation.ts";
import type { OperationHost } from "./operation.ts";
import { openObject, toStream } from "./reading.ts";
import type { ObjectSource } from "./reading.ts";
import { putParts } from "./upload.ts";
import type { UploadCalls } from "./upload.ts";
import type { CallOptions } from "../calls/pending-call.ts";

/** How an object is put. `timeoutMs` is for all of it; without one, each of its calls and requests has its own time. */
export type PutOptions = CallOptions & PutParams;

/** An object as it is read: `body` in pieces, whatever its size. */
export type ReadObject = MethodResult<"headObject"> & {
  /** The bytes, of one version; cancel it if it is not read to its end. */
  readonly body: ReadableStream<Uint8Array>;
};

type ObjectInfo = MethodResult<"headObject">;

/** What objects need of their client. */
export type ObjectClient = UploadCalls & {
  [M in "getObject" | "putObject" | "deleteObject" | "publish"]: (
    params: MethodParams<M>,
    options?: CallOptions,
  ) => Promise<MethodResult<M>>;
} & Pick<OperationHost, "begin" | "finish"> & {
    /** Takes the next place among the publishes of a stream: those behind it wait until it is published there, or left. */
    hold(message: { stream: string }): {
      publish: ObjectClient["publish"];
      leave(): void;
    };
  };

/**
 * Up to here a body goes in one call, on a socket that is there, in one round trip; a request of its own would cost a
 * connection, a check of the key and a billed request. It is the most that a call takes: what is larger would go over
 * the socket a third longer, in base64, in parts that hold up the messages on it, and would rest in a Durable Object
 * before it gets to R2. Over HTTP it goes there at once.
 */
const ONE_CALL_BYTES = LIMITS.objectBodyBytes;

/** What a message's JSON has beside what its caller says, with an id of this client. */
const ID_BYTES = 64;

const JSON_TYPE = "application/json";
const IS_JSON = /^application\/json\s*(?:;|$)/i;

/**
 * Objects of any size: in one call what fits a frame, and over HTTP what is larger. Streams, whose length is not known,
 * go over the socket in parts, as does everything where the option `fetch` or the page's origin excludes HTTP: up to
 * `uploadParts` of `objectBodyBytes`.
 */
export class Objects {
  readonly #client: ObjectClient;
  readonly #http: HttpObjects | undefined;
  readonly #timeoutMs: number;

  constructor(client: ObjectClient, { http, timeoutMs }: { http: HttpAccess | undefined; timeoutMs: number }) {
    this.#client = client;
    this.#http = http === undefined ? undefined : new HttpObjects(http);
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Puts an object of any size; it is there as a whole or not at all. A stream is read to its end, or cancelled when that is
   * of no use.
   *
   * A put of which it is not known what became is made again, up to `timeoutMs`: the same object is there then as after
   * one, in the place of one that another has put meanwhile, unless a condition is to prevent that. Under a condition an
   * earlier attempt of this put may be why it does not hold: that is OutcomeUnknown, and not Conflict.
   *
   * @param key 1 to 1,024 bytes of UTF-8 without control characters, in which no segment between slashes is empty, `.` or
   * `..`.
   * @param body Text, bytes, a Blob or a stream: up to 5,363,466,240 bytes over HTTP, 768,000,000 where the length of a
   * stream is not known.
   * @param options `contentType`, `metadata`, `ifMatch`, `ifNoneMatch`, `sha256`; `signal` and a `timeoutMs` for all of it.
   * @throws DurableStreamError Conflict (`ifMatch`, `ifNoneMatch`), TooLarge beyond `objectBytes`, for a stream beyond
   * `uploadParts` parts; OutcomeUnknown when it may have been put. The signal's reason when it was aborted.
   * @example
   * ```ts
   * const { etag } = await client.objects.put("scans/17.tiff", file, { contentType: "image/tiff", ifNoneMatch: "*" });
   * ```
   */
  async put(key: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#operate(options, (operation, params) => this.#put(key, body, { params, operation }));
  }

  /**
   * Opens an object. `timeoutMs` and the signal are for its body too, which is of one version from its first byte to
   * its last: it fails with Conflict when the object changed and the rest of that version can not be had any more. A
   * connection that breaks is replaced by another.
   *
   * @param options `signal` and a `timeoutMs` for all of it.
   * @returns Size in bytes, etag, media type, metadata, and the `body`. A body that is not wanted must be cancelled.
   * @throws DurableStreamError NotFound.
   * @example
   * ```ts
   * const { body, contentType } = await client.objects.get("scans/17.tiff");
   * return new Response(body, { headers: { "Content-Type": contentType } });
   * ```
   */
  async get(key: string, options: CallOptions = {}): Promise<ReadObject> {
    const operation = this.#begin(options);
    try {
      const { info, pieces } = await openObject(this.#sourceOf(key), operation);
      return { ...info, body: toStream(pieces, operation) };
    } catch (error) {
      operation.end();
      throw error;
    }
  }

  /**
   * Deletes one object, or up to `pageObjects` at once. One that does not exist is no error, so a delete of which it is
   * not known what became is made again, up to `timeoutMs`; then it deletes, too, what was put meanwhile.
   *
   * @throws DurableStreamError OutcomeUnknown when it may have been done.
   */
  async delete(keys: string | readonly string[], options: CallOptions = {}): Promise<void> {
    const params = typeof keys === "string" ? { key: keys } : { keys: [...keys] };
    await this.#operate(options, (operation) =>
      operation.persist((calling) => this.#client.deleteObject(params, calling)),
    );
  }

  /**
   * Puts a body as an object, and publishes `{ object: { key, etag, size } }`, the claim check that `resolve` gets it
   * by. The key is best one of its own: a check of what was replaced since is worth nothing. It takes its place among
   * the publishes of the stream once the object is there: what is published meanwhile goes before it.
   *
   * @throws DurableStreamError What `put` and `publish` do; when it was the put that failed, nothing is published.
   * @example
   * ```ts
   * await client.objects.publish({ stream: "scans" }, "scans/17.tiff", file, { contentType: "image/tiff" });
   * ```
   */
  async publish(
    message: Omit<MethodParams<"publish">, "data">,
    key: string,
    body: ObjectBody,
    options: PutOptions = {},
  ): Promise<MethodResult<"publish">> {
    return this.#operate(options, async (operation, params) => {
      const info = await this.#put(key, body, { params, operation });
      return this.#client.publish({ ...message, data: claimCheck(info) }, operation.calling());
    });
  }

  /**
   * Publishes a message of any size: as it is where it fits, and else its `data` as a JSON object of this key, with a
   * claim check in its place. `resolve` reads either. The order of calls holds, among `publish` and this: what is
   * published to the stream behind it waits until the object is there. Only where it is the server that finds the message
   * too large, because its data is nested too deep or its limits are lower, does it go behind what was published
   * meanwhile.
   *
   * @param key Of the object, should there be one; of its own for each message, like `orders/<id>.json`.
   * @throws DurableStreamError What `put` and `publish` do.
   * @example
   * ```ts
   * await client.objects.publishOrPut({ stream: "orders", data: order }, `orders/${order.id}.json`);
   * ```
   */
  async publishOrPut(
    message: MethodParams<"publish">,
    key: string,
    options: Omit<PutOptions, "contentType"> = {},
  ): Promise<MethodResult<"publish">> {
    return this.#operate(options, async (operation, params) => {
      const json = toJson(message.data);
      if (json === undefined || fits(message, json)) {
        try {
          return await this.#client.publish(message, operation.calling());
        } catch (error) {
          if (json === undefined || !(error instanceof DurableStreamError) || error.name !== "TooLarge") {
            throw error;
          }
        }
      }
      const place = this.#client.hold(message);
      try {
        const info = await this.#put(key, json, { params: { ...params, contentType: JSON_TYPE }, operation });
        return await place.publish({ ...message, data: claimCheck(info) }, operation.calling());
      } finally {
        place.leave();
      }
    });
  }

  /**
   * The data of a message, wherever it is: its own, or if that is a claim check, what its object holds: the value of
   * JSON, and the bytes, as a Uint8Array, of any other type.
   *
   * @throws DurableStreamError NotFound when the object was deleted, Conflict when it is another by now.
   * @example
   * ```ts
   * const order = await client.objects.resolve(event);
   * ```
   */
  async resolve({ data }: { readonly data: unknown }, options: CallOptions = {}): Promise<unknown> {
    if (!isClaimCheck(data)) {
      return data;
    }
    const { key, etag } = data.object;
    return this.#operate(options, async (operation) => {
      const { info, pieces } = await openObject(this.#sourceOf(key), operation);
      if (info.etag !== etag) {
        throw changed({ etag: info.etag });
      }
      const bytes = new Uint8Array(info.size);
      let offset = 0;
      for await (const piece of pieces) {
        bytes.set(piece, offset);
        offset += piece.length;
      }
      return IS_JSON.test(info.contentType) ? JSON.parse(new TextDecoder().decode(bytes)) : bytes;
    });
  }

  async #put(
    key: string,
    body: ObjectBody,
    { params, operation }: { params: PutParams; operation: Operation },
  ): Promise<ObjectInfo> {
    const source = sized(body);
    if (source instanceof Blob && source.size > ONE_CALL_BYTES) {
      if (source.size > LIMITS.objectBytes) {
        const data = { what: "objectBytes", limit: LIMITS.objectBytes };
        throw new DurableStreamError("TooLarge", "the object is too large", { data });
      }
      const url = this.#http?.urlOf(key);
      const info = url === undefined ? undefined : await this.#http?.put(url, source, { params, operation });
      if (info !== undefined) {
        return info;
      }
    }
    const reader = new BodyReader(source);
    try {
      return await this.#putByCalls(key, reader, { params, operation });
    } finally {
      reader.release();
    }
  }

  async #putByCalls(
    key: string,
    reader: BodyReader,
    { params, operation }: { params: PutParams; operation: Operation },
  ): Promise<ObjectInfo> {
    const read = () => operation.within(() => reader.read(ONE_CALL_BYTES));
    const first = await read();
    const second = first.length < ONE_CALL_BYTES ? new Uint8Array() : await read();
    if (second.length === 0) {
      const encoded = { data: toBase64(first), encoding: "base64" as const };
      return operation.persist((options) => this.#client.putObject({ key, ...params, ...encoded }, options), {
        bytes: first.length,
      });
    }
    return putParts(this.#client, { key, parts: joined([first, second], read), params }, operation);
  }

  #sourceOf(key: string): ObjectSource {
    return { key, getObject: (params, options) => this.#client.getObject(params, options), http: this.#http };
  }

  #begin(options: CallOptions): Operation {
    return new Operation(options, {
      timeoutMs: this.#timeoutMs,
      begin: (task) => this.#client.begin(task),
      finish: (task) => this.#client.finish(task),
    });
  }

  async #operate<T>(options: PutOptions, work: (operation: Operation, params: PutParams) => Promise<T>): Promise<T> {
    const { signal: _signal, timeoutMs: _timeoutMs, ...params } = options;
    const operation = this.#begin(options);
    try {
      return await work(operation, params);
    } finally {
      operation.end();
    }
  }
}

async function* joined(
  first: readonly Uint8Array[],
  read: () => Promise<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  yield* first;
  for (let piece = await read(); piece.length > 0; piece = await read()) {
    yield piece;
  }
}

/** Whether a message of this data is none too large, with the id that it is given where it has none. */
function fits({ subject, headers, id }: Omit<MethodParams<"publish">, "data">, data: Blob): boolean {
  const rest = toJson({ subject, headers, id });
  return rest === undefined || data.size + rest.size + ID_BYTES <= LIMITS.messageBytes;
}

/** Undefined for what JSON can not say: publishing it tells why. */
function toJson(data: unknown): Blob | undefined {
  try {
    const text: string | undefined = JSON.stringify(data);
    return text === undefined ? undefined : new Blob([text]);
  } catch {
    // Safe: see above.
    return undefined;
  }
}
