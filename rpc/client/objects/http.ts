import type { ObjectInfo } from "../../schemas/object.ts";

import { DurableStreamError, errorOfResponse } from "../error.ts";
import { changed, invalid } from "./errors.ts";
import { putHeaders } from "./headers.ts";
import type { PutParams } from "./headers.ts";
import type { Operation } from "./operation.ts";

/** What this client uses of `fetch`; the global one fits. */
export type Fetch = (
  url: string,
  init: { method: "GET" | "PUT"; headers: Headers; body?: Blob; signal: AbortSignal },
) => Promise<Response>;

/** How objects are reached over HTTP. */
export type HttpAccess = {
  readonly fetch: Fetch;
  /** Prefix of an object's URL; its key follows. */
  readonly objectsUrl: string;
  readonly token: string | (() => string | Promise<string>);
};

type Reader = ReadableStreamDefaultReader<Uint8Array>;

/** Segments that a URL parser removes or resolves. */
const VANISHING_SEGMENT = /^\.{0,2}$/;

/** The error of a status that a proxy answered, without an error of the contract in the body. */
const PROXY_ERRORS: Readonly<Record<number, "Unauthenticated" | "Forbidden" | "NotFound" | "RateLimited">> = {
  401: "Unauthenticated",
  403: "Forbidden",
  404: "NotFound",
  429: "RateLimited",
};

/** What the paths of the server follow: its origin, and the path that it is mounted at, without a slash at the end. */
export function serverRoot({ href }: URL): string {
  const url = new URL(href.replace(/^ws/, "http"));
  return url.origin + url.pathname.replace(/\/(?:rpc|stream\/[^/]*)?$/, "");
}

/** How objects are reached over HTTP; undefined when they are not, by option or in a page of another origin. */
export function httpAccess(
  root: string,
  token: HttpAccess["token"],
  given: Fetch | false | undefined,
): HttpAccess | undefined {
  const found: Fetch | undefined = Reflect.get(globalThis, "fetch");
  const page: { origin?: string } | undefined = Reflect.get(globalThis, "location");
  const isElsewhere = page?.origin !== undefined && page.origin !== new URL(root).origin;
  const chosen = given ?? (isElsewhere ? false : found);
  if (chosen === undefined || chosen === false) {
    return undefined;
  }
  return {
    // Called without `this`: the `fetch` of browsers throws for any `this` but the global object.
    fetch: (input, init) => chosen(input, init),
    objectsUrl: `${root}/r2/`,
    token,
  };
}

/** Puts and reads objects over HTTP, one request for each. */
export class HttpObjects {
  readonly #access: HttpAccess;

  constructor(access: HttpAccess) {
    this.#access = access;
  }

  /** The URL of an object; undefined for an invalid key that no URL can carry. */
  urlOf(key: string): string | undefined {
    const segments = key.split("/");
    return !/\p{Cs}/u.test(key) && !segments.some((segment) => VANISHING_SEGMENT.test(segment))
      ? this.#access.objectsUrl + segments.map(encodeURIComponent).join("/")
      : undefined;
  }

  /**
   * Puts an object, with retries after retryable errors.
   *
   * @returns Undefined when a proxy refuses so large a request, or when the token does not fit a header.
   */
  async put(
    url: string,
    body: Blob,
    { params, operation }: { params: PutParams; operation: Operation },
  ): Promise<ObjectInfo | undefined> {
    const kept = putHeaders(params);
    return operation.persist(({ timeoutMs }) => this.#putOnce(url, body, { kept, operation, timeoutMs }), {
      bytes: body.size,
    });
  }

  /**
   * Opens the bytes of one version of an object, from an offset to its end.
   *
   * @returns Undefined when the response is encoded or does not start at the offset, or when the token does not fit a
   * header.
   * @throws DurableStreamError Conflict when the object was replaced; Unavailable when the server does not take what the
   * token function gave. What `fetch` throws.
   */
  async open(
    url: string,
    { offset, etag }: { offset: number; etag: string },
    operation: Operation,
  ): Promise<Reader | undefined> {
    const headers = await this.#authorized({ Range: `bytes=${offset}-`, "If-Match": `"${etag}"` }, operation);
    if (headers === undefined) {
      return undefined;
    }
    const response = await operation.within(
      (signal) => this.#access.fetch(url, { method: "GET", headers, signal }),
      operation.patienceMs,
    );
    const isRange =
      response.status === 206 &&
      !response.headers.has("Content-Encoding") &&
      response.headers.get("Content-Range")?.startsWith(`bytes ${offset}-`) === true;
    if (isRange && response.body !== null) {
      return response.body.getReader();
    }
    if (response.ok) {
      response.body?.cancel().catch(() => {
        // Safe: the body is not read.
      });
      return undefined;
    }
    const text = await operation.within(() => response.text(), operation.patienceMs);
    const error = this.#refusal(errorOf(text) ?? proxyError(response.status, "reads"));
    // 416 is answered before 412 when the offset is beyond the end of the new version.
    throw response.status === 412 || response.status === 416 ? changed(error.data) : error;
  }

  async #putOnce(
    url: string,
    body: Blob,
    {
      kept,
      operation,
      timeoutMs,
    }: { kept: Record<string, string>; operation: Operation; timeoutMs: number | undefined },
  ): Promise<ObjectInfo | undefined> {
    const headers = await this.#authorized(kept, operation);
    if (headers === undefined) {
      return undefined;
    }
    let isSent = false;
    let answer: { status: number; text: string };
    try {
      answer = await operation.within(async (signal) => {
        isSent = true;
        const response = await this.#access.fetch(url, { method: "PUT", headers, body, signal });
        return { status: response.status, text: await response.text() };
      }, timeoutMs);
    } catch (cause) {
      operation.throwIfAbortedByCaller();
      throw isSent ? unknown(cause) : cause;
    }
    const { status, text } = answer;
    if (status >= 200 && status < 300) {
      return infoOf(text);
    }
    const error = errorOf(text);
    if (error === undefined && status === 413) {
      return undefined;
    }
    throw this.#refusal(error ?? proxyError(status, "changes"));
  }

  /** A token function may give another token when it is asked again: then the refusal of one is retryable. */
  #refusal(error: DurableStreamError): DurableStreamError {
    return error.name === "Unauthenticated" && typeof this.#access.token === "function"
      ? new DurableStreamError("Unavailable", error.message, { cause: error })
      : error;
  }

  /**
   * The headers with the token; undefined for a token that only the subprotocol, which is base64url, can carry.
   *
   * @throws DurableStreamError Unavailable when the token function fails, InvalidParams for a value that no header can carry.
   */
  async #authorized(kept: Record<string, string>, operation: Operation): Promise<Headers | undefined> {
    const { token } = this.#access;
    let bearer: string;
    try {
      bearer = typeof token === "string" ? token : await operation.within(async () => token(), operation.patienceMs);
    } catch (cause) {
      operation.signal.throwIfAborted();
      throw new DurableStreamError("Unavailable", "the token could not be had; nothing was done", { cause });
    }
    if (!/^[\x21-\x7e]+$/.test(bearer)) {
      return undefined;
    }
    try {
      return new Headers({ ...kept, Authorization: `Bearer ${bearer}` });
    } catch (cause) {
      throw invalid("", "contentType or a condition can not stand in a header", cause);
    }
  }
}

/** The error in a response body, which has the form of a JSON-RPC error response; undefined when there is none. */
function errorOf(text: string): DurableStreamError | undefined {
  const body = parsed(text);
  return typeof body === "object" && body !== null && "error" in body ? errorOfResponse(body.error) : undefined;
}

function proxyError(status: number, kind: "reads" | "changes"): DurableStreamError {
  const failed = kind === "reads" ? "Unavailable" : "OutcomeUnknown";
  const name = PROXY_ERRORS[status] ?? (status >= 500 ? failed : "InvalidRequest");
  return new DurableStreamError(name, `HTTP answered ${status}`);
}

function infoOf(text: string): ObjectInfo {
  const info = parsed(text);
  if (!isObjectInfo(info)) {
    throw unknown(new TypeError("the answer is not of this protocol"));
  }
  return info;
}

function isObjectInfo(value: unknown): value is ObjectInfo {
  return typeof value === "object" && value !== null && "etag" in value && "size" in value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Safe: the caller gets undefined for a body that is not JSON.
    return undefined;
  }
}

function unknown(cause: unknown): DurableStreamError {
  return new DurableStreamError("OutcomeUnknown", "the request was lost; the put may or may not have been done", {
    cause,
  });
}
