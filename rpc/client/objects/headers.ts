import { invalid } from "./errors.ts";

/** The options of a put that describe the object and its conditions. */
export type PutParams = {
  /**
   * The media type, as in HTTP's Content-Type.
   *
   * @defaultValue `application/octet-stream`
   */
  contentType?: string | undefined;
  /** Custom metadata: strings by names of 1 to 64 of `[a-z0-9_-]`, 4,096 bytes of UTF-8 in all. */
  metadata?: Record<string, string> | undefined;
  /** Puts only if the object has this etag, or with `*` only if there is an object. Conflict otherwise. */
  ifMatch?: string | undefined;
  /** Puts only if the object does not have this etag, or with `*` only if there is no object. Conflict otherwise. */
  ifNoneMatch?: string | undefined;
  /** The SHA-256 of the body, 64 lower-case hexadecimal digits. Nothing is stored when the body has another one. */
  sha256?: string | undefined;
};

/**
 * The HTTP headers for the options of a put.
 *
 * @throws DurableStreamError InvalidParams for values that a header can not carry unchanged.
 */
export function putHeaders({ contentType, metadata, ifMatch, ifNoneMatch, sha256 }: PutParams): Record<string, string> {
  const headers: Record<string, string> = {
    // Always set: otherwise `fetch` sends the Blob's own type, which a put by calls does not.
    "Content-Type": contentType ?? "application/octet-stream",
  };
  if (ifMatch !== undefined) {
    headers["If-Match"] = quoted(ifMatch);
  }
  if (ifNoneMatch !== undefined) {
    headers["If-None-Match"] = quoted(ifNoneMatch);
  }
  if (sha256 !== undefined) {
    if (!/^[0-9a-f]{64}$/.test(sha256)) {
      throw invalid("sha256", "must be 64 lower-case hexadecimal digits");
    }
    const binary = sha256.replaceAll(/../g, (digits) => String.fromCharCode(Number.parseInt(digits, 16)));
    headers["Content-Digest"] = `sha-256=:${btoa(binary)}:`;
  }
  for (const [name, value] of Object.entries(metadata ?? {})) {
    // Header names are case-insensitive, so upper case would be lost.
    if (!/^[a-z0-9_-]+$/.test(name) || /\p{Cs}/u.test(value)) {
      throw invalid("metadata", "a name must be 1 to 64 of [a-z0-9_-], and values well-formed");
    }
    headers[`X-Object-Meta-${name}`] = value.replaceAll(/[^\x21-\x7e]|%/gu, encodeURIComponent);
  }
  return headers;
}

function quoted(etag: string): string {
  return etag === "*" ? etag : `"${etag}"`;
}
