import * as v from "valibot";

import { ContentType, ObjectMetadata, Sha256 } from "../../../rpc/index.ts";
import { valueFault } from "../../errors/fault-words.ts";

import { invalid, toBase64, toHex } from "../bytes.ts";
import { inBucketRange, readHttpDate } from "../http-date.ts";

/**
 * Custom metadata over HTTP: `X-Object-Meta-<name>: <value>`, one header each, both ways. The value is UTF-8,
 * percent-encoded where it is not visible ASCII, and a `%` is `%25`.
 */
const METADATA_PREFIX = "x-object-meta-";

const MAX_HEADER_CHARACTERS = 1_024;

const PRINTABLE = /^[\t\x20-\x7e]+$/;

/** Matches one value. Two headers of a name arrive joined by `, `, which one value has inside quotes only. */
const ONE_DISPOSITION = /^(?:[^",]|"(?:[^"\\]|\\.)*"|,(?! ))*$/;

/** Types that no browser executes, whatever the body is. All others are offered as a download. */
const PASSIVE_TYPE =
  /^(?:text\/(?:plain|csv)|application\/(?:json|octet-stream)|image\/(?:avif|bmp|gif|jpeg|png|webp)|(?:audio|video|font)\/[\w.+-]+)$/;

/** What the headers of a put store beside the body. Other headers are not kept. */
export type PutHeaders = {
  httpMetadata: R2HTTPMetadata;
  customMetadata: Record<string, string>;
  sha256: string | undefined;
};

/**
 * Reads the headers of a put that are kept: the type, language, disposition, encoding, caching and custom metadata.
 *
 * @throws InvalidParams for a header that could not be served again unchanged.
 */
export function readPutHeaders(headers: Headers): PutHeaders {
  const httpMetadata: R2HTTPMetadata = {};
  const contentType = headers.get("Content-Type");
  if (contentType !== null) {
    httpMetadata.contentType = parse(ContentType, contentType, "Content-Type");
  }
  const contentLanguage = readText(headers, "Content-Language");
  const contentDisposition = readText(headers, "Content-Disposition");
  if (contentDisposition !== undefined && !ONE_DISPOSITION.test(contentDisposition)) {
    throw invalid("Content-Disposition", "must be given once");
  }
  const contentEncoding = readText(headers, "Content-Encoding");
  const cacheControl = readText(headers, "Cache-Control");
  const expires = readText(headers, "Expires");
  if (contentLanguage !== undefined) {
    httpMetadata.contentLanguage = contentLanguage;
  }
  if (contentDisposition !== undefined) {
    httpMetadata.contentDisposition = contentDisposition;
  }
  if (contentEncoding !== undefined) {
    httpMetadata.contentEncoding = contentEncoding;
  }
  if (cacheControl !== undefined) {
    httpMetadata.cacheControl = cacheControl;
  }
  if (expires !== undefined) {
    httpMetadata.cacheExpiry = readExpires(expires);
  }
  return { httpMetadata, customMetadata: readMetadata(headers), sha256: readDigest(headers) };
}

/** The headers of every response with an object or a part of it. */
export function servedHeaders(object: R2Object): Headers {
  const { contentType, contentLanguage, contentDisposition, contentEncoding, cacheControl, cacheExpiry } =
    object.httpMetadata ?? {};
  const headers = new Headers({
    ETag: object.httpEtag,
    "Last-Modified": object.uploaded.toUTCString(),
    "Accept-Ranges": "bytes",
    // An object is data: a browser must neither guess its type nor run it as a page of this origin.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
  });
  const type = isPrintable(contentType) ? contentType : "application/octet-stream";
  headers.set("Content-Type", type);
  setPrintable(headers, "Content-Language", contentLanguage);
  setPrintable(headers, "Content-Encoding", contentEncoding);
  if (headers.has("Content-Encoding")) {
    // Accept-Encoding decides whether a range is answered with a part.
    headers.set("Vary", "Accept-Encoding");
  }
  headers.set("Cache-Control", untransformed(cacheControl));
  if (cacheExpiry !== undefined) {
    headers.set("Expires", cacheExpiry.toUTCString());
  }
  setPrintable(headers, "Content-Disposition", disposition(type, contentDisposition));
  const { sha256 } = object.checksums;
  if (sha256 !== undefined) {
    headers.set("Repr-Digest", `sha-256=:${toBase64(new Uint8Array(sha256))}:`);
  }
  for (const [name, value] of Object.entries(object.customMetadata ?? {})) {
    setMetadata(headers, name, value);
  }
  return headers;
}

/**
 * Adds `no-transform` to Cache-Control (RFC 9111 section 5.2.2.6). An intermediary that compresses a body weakens its
 * etag, and parts and conditional puts need a strong one.
 */
function untransformed(put: string | undefined): string {
  const directives = isPrintable(put) ? put : "private, no-cache";
  return /(?:^|[\s,])no-transform(?:[\s,]|$)/i.test(directives) ? directives : `${directives}, no-transform`;
}

/** The Content-Disposition: what a browser might execute is always an attachment. */
function disposition(type: string, put: string | undefined): string | undefined {
  if (isPassive(type)) {
    return put;
  }
  const parameters = put !== undefined && put.includes(";") ? put.slice(put.indexOf(";")) : "";
  return `attachment${parameters}`;
}

/**
 * An object that another tool stored may have a malformed type. A comma, even in quotes, is read by some as a list of
 * types.
 */
function isPassive(type: string): boolean {
  const [essence = ""] = type.split(";");
  return v.is(ContentType, type) && !type.includes(",") && PASSIVE_TYPE.test(essence.trim().toLowerCase());
}

function readText(headers: Headers, name: string): string | undefined {
  const value = headers.get(name);
  if (value === null) {
    return undefined;
  }
  if (!isPrintable(value) || value.length > MAX_HEADER_CHARACTERS) {
    throw invalid(name, `must be 1 to ${MAX_HEADER_CHARACTERS} characters of printable ASCII`);
  }
  return value;
}

function readExpires(value: string): Date {
  const date = readHttpDate(value);
  if (date === undefined || inBucketRange(date).getTime() !== date.getTime()) {
    throw invalid("Expires", "must be a date as HTTP has it, from 1970 to 2188");
  }
  return date;
}

function readMetadata(headers: Headers): Record<string, string> {
  const pairs = [...headers]
    .filter(([header]) => header.startsWith(METADATA_PREFIX))
    .map(([header, value]) => [header.slice(METADATA_PREFIX.length), percentDecoded(header, value)]);
  const metadata = v.safeParse(ObjectMetadata, Object.fromEntries(pairs));
  if (!metadata.success) {
    const [issue] = metadata.issues;
    throw invalid(`${METADATA_PREFIX}${v.getDotPath(issue) ?? "*"}`, issue.message);
  }
  return metadata.output;
}

function percentDecoded(header: string, value: string): string {
  if (value.includes(", ")) {
    // Headers of the same name arrive joined by ", ": in a single value the space has to be %20.
    throw invalid(header, "must be given once, and a space after a comma be %20");
  }
  try {
    if (value === "" || isPrintable(value)) {
      return decodeURIComponent(value);
    }
  } catch {
    // Not percent-encoded UTF-8: refused below.
  }
  throw invalid(header, "must be percent-encoded UTF-8");
}

/**
 * The SHA-256 of `Repr-Digest` or `Content-Digest` (RFC 9530), in hexadecimal digits; for a put both mean the same.
 * Digests of other algorithms are ignored.
 */
function readDigest(headers: Headers): string | undefined {
  const digests = new Set<string>();
  let present: string | undefined;
  for (const name of ["Content-Digest", "Repr-Digest"]) {
    const header = headers.get(name);
    if (header !== null) {
      present = name;
      sha256Digests(header, name).forEach((digest) => digests.add(digest));
    }
  }
  if (present === undefined) {
    return undefined;
  }
  const [digest, another] = digests;
  if (digest === undefined || another !== undefined) {
    throw invalid(present, "must be one digest, sha-256=:<base64>:");
  }
  return digest;
}

function sha256Digests(header: string, name: string): string[] {
  const members = header.split(",").map((member) => member.trim());
  return members
    .filter((member) => member.startsWith("sha-256="))
    .map((member) => {
      const encoded = /^sha-256=:([A-Za-z0-9+/]{43}=):$/.exec(member)?.[1];
      if (encoded === undefined) {
        throw invalid(name, "must be sha-256=:<base64>:");
      }
      const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
      return parse(Sha256, toHex(bytes.buffer), name);
    });
}

function parse<T>(schema: v.GenericSchema<unknown, T>, value: unknown, name: string): T {
  const parsed = v.safeParse(schema, value);
  if (!parsed.success) {
    throw invalid(name, valueFault(parsed.issues[0], [name]));
  }
  return parsed.output;
}

/**
 * Sets a header for one metadata value. Another tool may have stored metadata that no header can hold: it is left out.
 */
function setMetadata(headers: Headers, name: string, value: string): void {
  if (/^[\w-]{1,64}$/.test(name) && value.isWellFormed()) {
    headers.set(`X-Object-Meta-${name}`, value.replaceAll(/[^\x21-\x7e]|%/gu, encodeURIComponent));
  }
}

function setPrintable(headers: Headers, name: string, value: string | undefined): void {
  if (isPrintable(value)) {
    headers.set(name, value);
  }
}

function isPrintable(value: string | undefined): value is string {
  return value !== undefined && PRINTABLE.test(value);
}
