import { CLIENT_LIMITS } from "../../protocol/client-limits.ts";
import type { MethodParams, MethodResult } from "../../methods/methods.ts";

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

/** The options of a put. `timeoutMs` is for the whole; without it, each call and request has the client's `timeoutMs`. */
export type PutOptions = CallOptions & PutParams;

/** An object that is read, with its `body` as a stream. */
export type ReadObject = MethodResult<"headObject"> & {
  /** The bytes of one version. Cancel it unless it is read to its end. */
  readonly body: ReadableStream<Uint8Array>;
};

type ObjectInfo = MethodResult<"headObject">;

/** What {@link Objects} needs of its client. */
export type ObjectClient = UploadCalls & {
  [M in "getObject" | "putObject" | "deleteObject" | "createObjectUrl" | "publish"]: (
    params: MethodParams<M>,
    options?: CallOptions,
  ) => Promise<MethodResult<M>>;
} & Pick<OperationHost, "begin" | "finish"> & {
    /** Takes the next place among the publishes of a stream. Later ones wait until it is filled or left. */
    hold(message: { stream: string }): {
      publish: ObjectClient["publish"];
      leave(): void;
    };
  };

/**
 * A body up to this size is put by one call on the open socket, which saves the connection and the billed request that HTTP
 * would cost. A larger one does not fit a call. In parts over the socket it would grow by a third in base64, delay messages,
 * and be stored in a Durable Object before R2; over HTTP it goes to R2 at once.
 */
const ONE_CALL_BYTES = CLIENT_LIMITS.objectBodyBytes;

/** At most so many bytes of a message's JSON are not its own fields: the id that the client adds, and punctuation. */
const ID_BYTES = 64;

const JSON_TYPE = "application/json";
const IS_JSON = /^application\/json\s*(?:;|$)/i;

/**
 * Objects of any size. Up to 768,000 bytes go in one call, more goes over HTTP. Streams, whose length is not known, go over
 * the socket in parts, and so does everything when the option `fetch` or the page's origin excludes HTTP: up to 1,000 parts
 * of 768,000 bytes.
 */
export class Objects {
  readonly #client: ObjectClient;
  readonly #http: HttpObjects | undefined;
  readonly #serverRoot: string;
  readonly #timeoutMs: number;

  constructor(
    client: ObjectClient,
    { http, serverRoot, timeoutMs }: { http: HttpAccess | undefined; serverRoot: string; timeoutMs: number },
  ) {
    this.#client = client;
    this.#serverRoot = serverRoot;
    this.#http = http === undefined ? undefined : new HttpObjects(http);
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Puts an object of any size, as a whole or not at all. A stream is read to its end, or cancelled when the put fails.
   *
   * A put whose outcome is unknown is repeated, up to `timeoutMs`. A repetition may replace an object that another client has
   * put meanwhile, unless `ifMatch` or `ifNoneMatch` prevents it. When a condition does not hold in a repetition, an earlier
   * attempt may be the reason: that is OutcomeUnknown, and not Conflict.
   *
   * @param key 1 to 1,024 bytes of UTF-8 without control characters, in which no segment between slashes is empty, `.` or
   * `..`.
   * @param body Text, bytes, a Blob or a stream: up to 5,363,466,240 bytes over HTTP, 768,000,000 where the length of a
   * stream is not known.
   * @param options `contentType`, `metadata`, `ifMatch`, `ifNoneMatch`, `sha256`; `signal` and a `timeoutMs` for the whole.
   * @returns What is known of the object: size in bytes, etag, media type, metadata.
   * @throws DurableStreamError Conflict (`ifMatch`, `ifNoneMatch`); TooLarge beyond 5,363,466,240 bytes, for a stream beyond
   * 1,000 parts; OutcomeUnknown when it may have been put. The signal's reason when it was aborted.
   * @example
   * ```ts
   * const { etag } = await client.objects.put("scans/17.tiff", file, { contentType: "image/tiff", ifNoneMatch: "*" });
   * ```
   */
  async put(key: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#operate(options, (operation, params) => this.#put(key, body, { params, operation }));
  }

  /**
   * Opens an object. `timeoutMs` and the signal cover the read of its body. The body is of one version from its first byte to
   * its last: it fails with Conflict when the object was replaced before it was read to its end. A broken connection is
   * replaced, and the read resumed.
   *
   * @param options `signal` and a `timeoutMs` for the whole.
   * @returns Size in bytes, etag, media type, metadata, and the `body`. Cancel the body unless it is read to its end.
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
   * Deletes one object, or up to 1,000 at once. One that does not exist is no error. A delete whose outcome is unknown is
   * repeated, up to `timeoutMs`; a repetition also deletes an object that was put meanwhile.
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
   * Makes a URL by which anybody may read one object for a while, by GET and HEAD: for an image in a page, or a download. It
   * can not be taken back before it ends, and reads what the key has at that time. Whether there is an object is not looked
   * at.
   *
   * @param options `expiresInMs`, how long it lasts: 1,000 to 86,400,000, 300,000 unless given; `signal` and `timeoutMs`.
   * @returns The `url`, a whole one, and `expiresAt` in milliseconds since the epoch.
   * @example
   * ```ts
   * const { url } = await client.objects.createUrl("avatars/17.png", { expiresInMs: 3_600_000 });
   * image.src = url;
   * ```
   */
  async createUrl(
    key: string,
    { expiresInMs, ...options }: CallOptions & { expiresInMs?: number } = {},
  ): Promise<MethodResult<"createObjectUrl">> {
    const params = expiresInMs === undefined ? { key } : { key, expiresInMs };
    const { url, expiresAt } = await this.#client.createObjectUrl(params, options);
    return { url: this.#serverRoot + url, expiresAt };
  }

  /**
   * Puts a body as an object, and publishes the claim check `{ object: { key, etag, size } }`, which `resolve` reads it by.
   * Use a new key for each message: when the object is replaced, the claim check no longer resolves. The message takes its
   * place among the publishes of the stream when the object is stored: what is published meanwhile goes before it.
   *
   * @throws DurableStreamError What `put` and `publish` throw. When the put fails, nothing is published.
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
   * Publishes a message of any size. When it fits, it is published as it is; otherwise its `data` is put as a JSON object
   * under this key, and a claim check is published in its place. `resolve` reads either. Messages are stored in the order of
   * the calls of this method and `publish`: later ones to the stream wait until the object is stored. There is one exception:
   * when the server finds the message too large, because its data is nested too deep or the server's limits are lower, it
   * goes after what was published meanwhile.
   *
   * @param key The key of the object, if there is one. Use a new one for each message, like `orders/<id>.json`.
   * @throws DurableStreamError What `put` and `publish` throw.
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
   * Returns the data of a message. When it is a claim check, reads its object: the parsed value of one of the media type
   * JSON, the bytes of any other as a Uint8Array.
   *
   * @param options `signal` and a `timeoutMs` for the whole.
   * @throws DurableStreamError NotFound when the object was deleted, Conflict when it was replaced.
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
      if (source.size > CLIENT_LIMITS.objectBytes) {
        const data = { what: "objectBytes", limit: CLIENT_LIMITS.objectBytes };
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

/** Whether a message is within the limit, with the id that the client adds when it has none. */
function fits({ subject, headers, id }: Omit<MethodParams<"publish">, "data">, data: Blob): boolean {
  const rest = toJson({ subject, headers, id });
  return rest === undefined || data.size + rest.size + ID_BYTES <= CLIENT_LIMITS.messageBytes;
}

/** The data as JSON; undefined when it has none. Publishing it then fails with the reason. */
function toJson(data: unknown): Blob | undefined {
  try {
    const text: string | undefined = JSON.stringify(data);
    return text === undefined ? undefined : new Blob([text]);
  } catch {
    // Safe: the publish fails with the reason.
    return undefined;
  }
}
