import type { Access } from "../access.ts";

import { takenUntil } from "./claims.ts";

/** Tokens that are kept at most. */
const MOST = 1_000;

/** The tokens that were found to hold, until each ends: a signature is checked once, not for every request. */
export class VerifiedTokens {
  readonly #accesses = new Map<string, Access>();

  /** The access of a token that holds still. @param digest SHA-256 of the token. */
  get(digest: ArrayBuffer, nowMs: number): Access | undefined {
    const key = keyOf(digest);
    const access = this.#accesses.get(key);
    if (access?.expiresAt !== undefined && takenUntil(access.expiresAt) <= nowMs) {
      this.#accesses.delete(key);
      return undefined;
    }
    return access;
  }

  /** Keeps a token in place of the one that is kept longest. */
  set(digest: ArrayBuffer, access: Access): void {
    this.#accesses.set(keyOf(digest), access);
    if (this.#accesses.size > MOST) {
      const [oldest = ""] = this.#accesses.keys();
      this.#accesses.delete(oldest);
    }
  }

  clear(): void {
    this.#accesses.clear();
  }
}

function keyOf(digest: ArrayBuffer): string {
  return String.fromCharCode(...new Uint8Array(digest));
}
