import { DurableStreamError } from "../../../../rpc/client.ts";
import type { DurableStream } from "../../../../rpc/client.ts";
import { LIMITS } from "../../../../rpc/index.ts";
import type { ObjectInfo } from "../../../../rpc/index.ts";
import { errorOf } from "../../parts/use-call.ts";

import { countedStream } from "./counted-stream.ts";

/** Of each part of an upload in parts, but the last. */
const PART_BYTES = LIMITS.objectBodyBytes;

/** What goes in parts over the socket: it shows how far it is, and goes on after a lost connection. More goes by HTTP. */
const IN_PARTS_BYTES = LIMITS.uploadParts * PART_BYTES;

/** What is there already of a key. */
export type Existing = { readonly etag: string; readonly info?: ObjectInfo };

/**
 * What becomes of an upload: `checking` whether there is one of its key, `asking` before it overwrites, `waiting` for the
 * ones before it, `sending`, and then for good `stored`, `cancelled` or `failed`.
 */
export type UploadState =
  | { readonly is: "checking" | "waiting" | "sending" | "cancelled" }
  | { readonly is: "asking"; readonly existing: Existing; readonly isAgain: boolean }
  | { readonly is: "stored"; readonly info: ObjectInfo }
  | { readonly is: "failed"; readonly error: Error };

export type Upload = {
  readonly id: number;
  readonly key: string;
  readonly file: Blob;
  readonly state: UploadState;
  /** Bytes that are stored, short by at most two parts; undefined when it is not known, as over HTTP. */
  readonly sent: number | undefined;
};

type Condition = { readonly ifNoneMatch: "*" } | { readonly ifMatch: string };

const NEW: Condition = { ifNoneMatch: "*" };

/** Uploads of one session. They go on while other views are shown; one is sent at a time. */
export class Uploads {
  readonly #client: DurableStream;
  readonly #listeners = new Set<() => void>();
  readonly #cancels = new Map<number, AbortController>();
  #list: readonly Upload[] = [];
  #nextId = 1;
  /** Resolves when the last upload that was begun has ended. */
  #before: Promise<unknown> = Promise.resolve();

  constructor(client: DurableStream) {
    this.#client = client;
  }

  /** Oldest first. */
  get list(): readonly Upload[] {
    return this.#list;
  }

  /** Calls a listener at each change, until the function that it returns is called. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Puts a file under a key. Where there is an object already, it waits for {@link overwrite}. */
  add(key: string, file: Blob): void {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#cancels.set(id, new AbortController());
    this.#list = [...this.#list, { id, key, file, state: { is: "checking" }, sent: 0 }];
    this.#tell();
    void this.#check(id);
  }

  /** Replaces the object that was shown, if it is still the one. */
  overwrite(id: number): void {
    const upload = this.#find(id);
    if (upload?.state.is === "asking") {
      this.#enqueue(id, { ifMatch: upload.state.existing.etag });
    }
  }

  /** Begins again with one that has failed or was cancelled. */
  retry(id: number): void {
    this.#cancels.set(id, new AbortController());
    this.#set(id, { state: { is: "checking" }, sent: 0 });
    void this.#check(id);
  }

  cancel(id: number): void {
    this.#set(id, { state: { is: "cancelled" } });
    this.#cancels.get(id)?.abort();
  }

  /** Forgets those that have ended. */
  clear(): void {
    for (const { id } of this.#list.filter(({ state }) => hasEnded(state))) {
      this.#cancels.delete(id);
    }
    this.#list = this.#list.filter(({ state }) => !hasEnded(state));
    this.#tell();
  }

  async #check(id: number): Promise<void> {
    const upload = this.#find(id);
    const signal = this.#cancels.get(id)?.signal;
    if (upload === undefined || signal === undefined) {
      return;
    }
    try {
      const info = await this.#client.headObject({ key: upload.key }, { signal });
      this.#set(id, { state: { is: "asking", existing: { etag: info.etag, info }, isAgain: false } });
    } catch (error) {
      // Who may not read may still write: the condition of the put finds what is there.
      if (isNamed(error, "NotFound") || isNamed(error, "Forbidden")) {
        this.#enqueue(id, NEW);
      } else {
        this.#fail(id, error);
      }
    }
  }

  #enqueue(id: number, condition: Condition): void {
    this.#set(id, { state: { is: "waiting" } });
    this.#before = this.#before.then(() => this.#send(id, condition));
  }

  async #send(id: number, condition: Condition): Promise<void> {
    const upload = this.#find(id);
    const signal = this.#cancels.get(id)?.signal;
    if (upload?.state.is !== "waiting" || signal === undefined) {
      return;
    }
    const { key, file } = upload;
    const isInParts = file.size <= IN_PARTS_BYTES;
    this.#set(id, { state: { is: "sending" }, sent: isInParts ? 0 : undefined });
    const showStored = (given: number) => this.#set(id, { sent: storedOf(given) });
    const body = isInParts ? countedStream(file, PART_BYTES, showStored) : file;
    const contentType = file.type === "" ? {} : { contentType: file.type };
    try {
      const info = await this.#client.objects.put(key, body, { ...contentType, ...condition, signal });
      this.#set(id, { state: { is: "stored", info }, sent: file.size });
    } catch (error) {
      await (isNamed(error, "Conflict") ? this.#askAgain(id, error) : this.#fail(id, error));
    }
  }

  /** Somebody else has put, replaced or deleted the object meanwhile: asks with what is there now. */
  async #askAgain(id: number, conflict: DurableStreamError<"Conflict">): Promise<void> {
    const upload = this.#find(id);
    if (upload === undefined || hasEnded(upload.state)) {
      return;
    }
    try {
      const info = await this.#client.headObject({ key: upload.key });
      this.#set(id, { state: { is: "asking", existing: { etag: info.etag, info }, isAgain: true }, sent: 0 });
    } catch (error) {
      const { etag } = conflict.data;
      if (isNamed(error, "Forbidden") && etag !== undefined) {
        this.#set(id, { state: { is: "asking", existing: { etag }, isAgain: true }, sent: 0 });
      } else {
        this.#fail(id, isNamed(error, "NotFound") ? new Error("the object was deleted meanwhile; try again") : error);
      }
    }
  }

  #find(id: number): Upload | undefined {
    return this.#list.find((each) => each.id === id);
  }

  #fail(id: number, error: unknown): void {
    this.#set(id, { state: { is: "failed", error: errorOf(error) } });
  }

  /** Changes an upload. One that was cancelled only changes by {@link retry}. */
  #set(id: number, change: Partial<Upload>): void {
    const isOver = this.#cancels.get(id)?.signal.aborted === true;
    if (!isOver) {
      this.#list = this.#list.map((each) => (each.id === id ? { ...each, ...change } : each));
      this.#tell();
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

export function hasEnded({ is }: UploadState): boolean {
  return is === "stored" || is === "cancelled" || is === "failed";
}

/**
 * What is stored when the client asks for the next part of a body, of which it was given so much. It reads two parts before
 * it sends the first, and then each when all before it are stored.
 */
function storedOf(given: number): number {
  return given < 2 * PART_BYTES ? 0 : given;
}

function isNamed<Name extends "NotFound" | "Forbidden" | "Conflict">(
  error: unknown,
  name: Name,
): error is DurableStreamError<Name> {
  return error instanceof DurableStreamError && error.name === name;
}

const ofClients = new WeakMap<DurableStream, Uploads>();

/** The uploads of a client: the same at each call. The tab asks before it is closed while one is not done. */
export function uploadsOf(client: DurableStream): Uploads {
  const known = ofClients.get(client);
  if (known !== undefined) {
    return known;
  }
  const uploads = new Uploads(client);
  ofClients.set(client, uploads);
  addEventListener("beforeunload", (event) => {
    if (uploads.list.some(({ state }) => !hasEnded(state))) {
      event.preventDefault();
    }
  });
  return uploads;
}
