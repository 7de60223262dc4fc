import type { Access } from "../access.ts";

import { takenUntil } from "./claims.ts";

/** Tokens that are kept at most, and of how many characters in all: what is read of one takes about three times as much memory. */
const MOST = 1_000;
const MOST_CHARACTERS = 1_048_576;

/** A token that holds, and how long it is. */
type Kept = { readonly access: Access; readonly characters: number };

/** The tokens that were found to hold, until each ends: a signature is checked once, not for every request. */
export class VerifiedTokens {
  readonly #kept = new Map<string, Kept>();
  #characters = 0;

  /** The access of a token that holds still. @param digest SHA-256 of the token. */
  get(digest: ArrayBuffer, nowMs: number): Access | undefined {
    const key = keyOf(digest);
    const access = this.#kept.get(key)?.access;
    if (access?.expiresAt !== undefined && takenUntil(access.expiresAt) <= nowMs) {
      this.#drop(key);
      return undefined;
    }
    return access;
  }

  /** Keeps a token in place of those that are kept longest. */
  set(digest: ArrayBuffer, kept: Kept): void {
    const key = keyOf(digest);
    this.#drop(key);
    this.#kept.set(key, kept);
    this.#characters += kept.characters;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST && this.#characters <= MOST_CHARACTERS) {
        return;
      }
      this.#drop(oldest);
    }
  }

  clear(): void {
    this.#kept.clear();
    this.#characters = 0;
  }

  #drop(key: string): void {
    this.#characters -= this.#kept.get(key)?.characters ?? 0;
    this.#kept.delete(key);
  }
}

function keyOf(digest: ArrayBuffer): string {
  return String.fromCharCode(...new Uint8Array(digest));
}
