import { DurableObject } from "cloudflare:workers";

import { ErrorCode, isRpcError, LIMITS, RpcError } from "../../../rpc/index.ts";
import type { CompleteUploadParams, CreateUploadParams, Done, ObjectInfo, UploadedPart } from "../../../rpc/index.ts";
import { logError } from "../../platform/log.ts";
import { refusable } from "../../platform/refused.ts";
import type { Refused } from "../../platform/refused.ts";

import { headObject, objectInfo, putIf, unexpected, UPLOAD_MARK } from "../bucket.ts";
import { toHex } from "../bytes.ts";
import { areMet, stillHolds } from "../conditions.ts";
import { tooManyWrites } from "../failures.ts";
import type { CompletedRow, UploadRow } from "./schema.ts";
import { UploadAttempts } from "./upload-attempts.ts";
import { UploadStore } from "./upload-store.ts";

/** Errors after which a put certainly stored nothing. */
const STORED_NOTHING: ReadonlySet<number> = new Set([
  ErrorCode.Conflict,
  ErrorCode.InvalidParams,
  ErrorCode.RateLimited,
  ErrorCode.TooLarge,
]);

/** Puts of one call at most: each sends the whole object again because another writer changed the key meanwhile. */
const PUTS_PER_CALL = 5;

type Completion = Omit<CompleteUploadParams, "uploadId">;

type PutUnderMark = { params: Completion; size: number; mark: string; held: R2Object | null };

/**
 * One upload in parts, from createUpload to completeUpload, which makes one object of them with one put.
 *
 * R2's own multipart upload requires parts of 5 MiB or more, and a frame has at most 1 MiB. So the parts are stored
 * here. One put also allows conditions and a SHA-256 of the whole, which R2's multipart upload does not.
 */
export class Upload extends DurableObject<Env> {
  readonly #store = new UploadStore(this.ctx.storage);
  readonly #attempts = new UploadAttempts(this.ctx.storage.sql);
  /** It is being completed or aborted: nothing else may change it. */
  #isEnding = false;
  /** The completion that runs: the same call waits for its result. */
  #running: { completion: string; info: Promise<ObjectInfo> } | undefined;

  /** Begins the upload. @returns When it is dropped, `LIMITS.uploadKeptMs` from now. */
  async create(params: CreateUploadParams, nowMs: number): Promise<number> {
    const expiresAt = nowMs + LIMITS.uploadKeptMs;
    await this.ctx.storage.setAlarm(expiresAt);
    this.ctx.storage.transactionSync(() => this.#store.create(params));
    return expiresAt;
  }

  /**
   * Stores a part; it replaces one of the same number.
   *
   * @param data 0 to `LIMITS.objectBodyBytes` bytes.
   * @returns NotFound when there is no such upload, Conflict while it is being completed.
   */
  async putPart(key: string, part: UploadedPart, data: Uint8Array): Promise<UploadedPart | Refused> {
    return refusable(async () => {
      this.#changeable(key);
      this.#store.putPart(part, data);
      return part;
    });
  }

  /**
   * Puts the listed parts as one object and drops them. When it fails the upload stays, and can be completed again.
   *
   * It is idempotent until the upload expires: the same call gets the same answer, also when this Durable Object was
   * lost between the put and recording it. OutcomeUnknown when it was lost so and the key has changed since.
   */
  async complete(params: Completion): Promise<ObjectInfo | Refused> {
    return refusable(async () => {
      const completion = await digestOf(params);
      const completed = this.#store.completed();
      if (completed !== undefined) {
        return answerOf(completed, completion);
      }
      if (this.#running?.completion === completion) {
        return this.#running.info;
      }
      const upload = this.#changeable(params.key);
      const size = this.#store.sizeOf(params.parts);
      const info = this.#exclusively(async () =>
        answerOf(await this.#putWhole(upload, { params, size, completion }), completion),
      );
      this.#running = { completion, info };
      return info.finally(() => {
        this.#running = undefined;
      });
    });
  }

  /**
   * Drops the upload and its parts. NotFound once it is completed, OutcomeUnknown when an earlier attempt to complete
   * it may have stored its object, or may still do so.
   */
  async abort(key: string): Promise<Done | Refused> {
    return refusable(async () => {
      this.#changeable(key);
      return this.#exclusively(async () => {
        const isUnknown = this.#attempts.areOpen;
        const object = isUnknown ? await headObject(this.env.BUCKET, key) : null;
        if (this.#findStored(object) !== undefined) {
          throw noSuchUpload();
        }
        await this.#drop();
        if (isUnknown) {
          throw this.#attempts.unknown(object);
        }
        return {};
      });
    });
  }

  /** Drops an upload that was never completed, or what is left of one that was. */
  override async alarm(): Promise<void> {
    if (this.#isEnding) {
      await this.ctx.storage.setAlarm(Date.now() + LIMITS.uploadKeptMs);
      return;
    }
    try {
      await this.#drop();
    } catch (error) {
      // The runtime gives up an alarm that throws several times.
      logError("the alarm of an upload failed", error, { upload: this.ctx.id.name ?? "" });
      await this.ctx.storage.setAlarm(Date.now() + LIMITS.pingMs);
    }
  }

  async #exclusively<T>(end: () => Promise<T>): Promise<T> {
    this.#isEnding = true;
    try {
      return await end();
    } finally {
      this.#isEnding = false;
    }
  }

  #changeable(key: string): UploadRow {
    const row = this.#store.find(key);
    if (row === undefined) {
      throw noSuchUpload();
    }
    if (this.#isEnding) {
      throw new RpcError("Conflict", "the upload is being completed", { what: "upload" });
    }
    return row;
  }

  /** If an earlier attempt stored this object, records the upload as completed. */
  #findStored(object: R2Object | null): CompletedRow | undefined {
    const completion = this.#attempts.completionOf(object);
    return object === null || completion === undefined ? undefined : this.#complete(completion, object);
  }

  /** Records the upload as completed. */
  #complete(completion: string, object: R2Object): CompletedRow {
    return this.ctx.storage.transactionSync(() => {
      this.#attempts.drop();
      return this.#store.complete(completion, objectInfo(object));
    });
  }

  /**
   * Puts the object on the condition that the key has not changed, and starts again when it has.
   *
   * @throws Conflict when the call's conditions do not hold; RateLimited when others keep changing the key.
   */
  async #putWhole(
    upload: UploadRow,
    { params, size, completion }: { params: Completion; size: number; completion: string },
  ): Promise<CompletedRow> {
    for (let puts = 0; puts < PUTS_PER_CALL; puts += 1) {
      const held = await headObject(this.env.BUCKET, params.key);
      const earlier = this.#findStored(held);
      if (earlier !== undefined) {
        return earlier;
      }
      this.#attempts.assertNoneStored(held);
      if (!areMet(params, held)) {
        throw unexpected(held);
      }
      const mark = this.#attempts.begin(completion, held);
      const object = await this.#attempt(upload, { params, size, mark, held });
      if (object !== null) {
        return this.#complete(completion, object);
      }
    }
    throw tooManyWrites();
  }

  /** Runs the put of a recorded attempt. Null when the key has changed; nothing was stored then. */
  async #attempt(upload: UploadRow, put: PutUnderMark): Promise<R2Object | null> {
    try {
      const object = await this.#put(upload, put);
      if (object === null) {
        this.#attempts.storedNothing(put.mark);
      }
      return object;
    } catch (error) {
      if (isRpcError(error) && STORED_NOTHING.has(error.code)) {
        this.#attempts.storedNothing(put.mark);
        if (error.code === ErrorCode.Conflict) {
          return null;
        }
      }
      throw error;
    }
  }

  async #put(upload: UploadRow, { params, size, mark, held }: PutUnderMark): Promise<R2Object | null> {
    const { key, parts, sha256 } = params;
    const { readable, writable } = new FixedLengthStream(size);
    const writer = writable.getWriter();
    const written = this.#write(parts, writer);
    written.catch(() => {
      // Safe: when the body fails, so does the put that reads it.
    });
    // Written by create() from checked metadata.
    const customMetadata: Record<string, string> = JSON.parse(upload.metadata);
    try {
      const options = {
        key,
        sha256,
        onlyIf: stillHolds(held),
        httpMetadata: upload.content_type === null ? {} : { contentType: upload.content_type },
        customMetadata: { ...customMetadata, [UPLOAD_MARK]: mark },
      };
      return await putIf(this.env.BUCKET, options, readable);
    } finally {
      await writer.abort().catch(() => {
        // Safe: it is closed or aborted already.
      });
    }
  }

  /** Writes the parts in order, each when R2 has taken the one before, so that one at a time is in memory. */
  async #write(parts: readonly UploadedPart[], writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
    for (const { partNumber } of parts) {
      await writer.write(this.#store.partData(partNumber));
    }
    await writer.close();
  }

  /** Deletes the data together with the alarm: if the alarm went first, a crash would leave the data for ever. */
  async #drop(): Promise<void> {
    await this.ctx.storage.deleteAll();
  }
}

/** The SHA-256 of a completeUpload call: the same for the same params, whatever their order. */
async function digestOf({ key, parts, sha256, ifMatch, ifNoneMatch }: Completion): Promise<string> {
  const list = parts.map(({ partNumber, etag }) => [partNumber, etag]);
  const text = JSON.stringify([key, list, sha256 ?? null, ifMatch ?? null, ifNoneMatch ?? null]);
  return toHex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** The answer of a completed upload. @throws NotFound for another call than the one that completed it. */
function answerOf(completed: CompletedRow, completion: string): ObjectInfo {
  if (completed.completion !== completion) {
    throw noSuchUpload();
  }
  // Written by #complete().
  const info: ObjectInfo = JSON.parse(completed.object);
  return info;
}

function noSuchUpload(): RpcError {
  return new RpcError("NotFound", "no such upload of this key", { what: "upload" });
}
