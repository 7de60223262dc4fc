import { invalid } from "./errors.ts";

/** What is said of an object that is put, beside its key and body. */
export type PutParams = {
  /**
   * The media type, as in HTTP's Content-Type.
   *
   * @defaultValue `application/octet-stream`
   */
  contentType?: string | undefined;
  /** Custom metadata: strings by names of `[a-z0-9_-]`, 4,096 bytes in all. */
  metadata?: Record<string, string> | undefined;
  /** Only if the object has this etag; `*`: only if there is one. Conflict otherwise. */
  ifMatch?: string | undefined;
  /** Only if the object has another etag; `*`: only if there is none yet. Conflict otherwise. */
  ifNoneMatch?: string | undefined;
  /** 64 lower-case hexadecimal digits: nothing is stored unless it is the SHA-256 of the body. */
  sha256?: string | undefined;
};

/**
 * The headers that say of a put what the params of `putObject` do.
 *
 * @throws DurableStreamError InvalidParams for metadata that headers would change or can not say.
 */
export function putHeaders({ contentType, metadata, ifMatch, ifNoneMatch, sha256 }: PutParams): Record<string, string> {
  const headers: Record<string, string> = {
    // Always said, so that a Blob's own type, which calls know nothing of, does not stand in for it.
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
    // Headers have no case.
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
