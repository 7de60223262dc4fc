import { RpcError } from "../../rpc/index.ts";
import type { Encoding } from "../../rpc/index.ts";
import { excerpt } from "../errors/quoted.ts";

/** Arguments of one call of String.fromCharCode: far below the count that overflows the stack. */
const CHUNK = 0x2000;

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * The bytes that `data` stands for.
 *
 * @param data Well-formed Unicode, as all text in checked params.
 * @throws InvalidParams when `encoding` says base64 and it is not, or lacks its padding.
 */
export function decodeBody(data: string, encoding: Encoding = "utf8"): Uint8Array {
  if (encoding === "utf8") {
    return new TextEncoder().encode(data);
  }
  if (data.length % 4 !== 0 || !BASE64.test(data)) {
    throw invalid("data", "must be base64 with padding");
  }
  return Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
}

/**
 * Encodes bytes for JSON: in the encoding asked for; without one as text if they are UTF-8, else as base64.
 *
 * @throws InvalidParams when `utf8` was asked for and they are not.
 */
export function encodeBody(bytes: Uint8Array, asked: Encoding | undefined): { data: string; encoding: Encoding } {
  if (asked !== "base64") {
    const text = fromUtf8(bytes);
    if (text !== undefined) {
      return { data: text, encoding: "utf8" };
    }
    if (asked === "utf8") {
      throw invalid("encoding", "must be base64: these bytes are not UTF-8");
    }
  }
  return { data: toBase64(bytes), encoding: "base64" };
}

export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  }
  return btoa(binary);
}

/** Base64url without padding (RFC 4648 section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The bytes of base64url; none for what is no such text. */
export function fromBase64Url(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (unit) => unit.charCodeAt(0));
  } catch {
    // Of a character or a length that it does not have.
    return new Uint8Array();
  }
}

export function toHex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The InvalidParams error for one param or header, of the same form as those of the params check.
 *
 * @param reason What goes on where the name ends: "must be base64".
 */
export function invalid(path: string, reason: string): RpcError {
  return new RpcError("InvalidParams", `${excerpt(path)} ${reason}`, { issues: [{ path, reason }] });
}

/** The text of UTF-8 bytes; undefined when they are none. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  try {
    // ignoreBOM keeps a byte order mark, which is part of the body.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Not UTF-8: the caller decides what that means.
    return undefined;
  }
}
