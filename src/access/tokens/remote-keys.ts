import { waitUntil } from "cloudflare:workers";

import { logError } from "../../platform/log.ts";
import { waitMs } from "../../platform/settings.ts";

import { keysOf } from "./keys.ts";
import type { Key } from "./keys.ts";
import { KeysUnavailableError } from "./token-fault.ts";

/** How long a fetch may take, whatever the other side does. */
const FETCH_MS = 5_000;
/** Least time between two fetches, whoever asks for them and however they end. */
const PAUSE_MS = 30_000;
/** The same while there are no keys at all. */
const FIRST_PAUSE_MS = 5_000;
/** Keys so old are fetched again, so that one that was withdrawn is no longer taken. */
const MAX_AGE_MS = 600_000;
/** Most bytes of a set. */
const MAX_BYTES = 65_536;

/** The keys at a URL, as they were last fetched. They stay when a later fetch fails. One for each isolate. */
export class RemoteKeys {
  readonly #url: string;
  readonly #onChange: () => void;
  #text: string | undefined;
  #keys: readonly Key[] | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  /** @param onChange Called when other keys than before were fetched. */
  constructor(url: string, onChange: () => void) {
    this.#url = url;
    this.#onChange = onChange;
  }

  /**
   * The keys, at most a little older than {@link MAX_AGE_MS} while the other side answers.
   *
   * @throws KeysUnavailableError when there were never any.
   */
  async current(): Promise<readonly Key[]> {
    if (this.#keys === undefined) {
      await this.#fetched(waitMs("TOKEN_KEYS_FIRST_PAUSE_MS", FIRST_PAUSE_MS));
    } else {
      this.keepFresh();
    }
    if (this.#keys === undefined) {
      throw new KeysUnavailableError("the keys of tokens could not be fetched");
    }
    return this.#keys;
  }

  /** Has keys that are old fetched again. Nobody waits for it: those that are here still hold. */
  keepFresh(): void {
    if (isOver(this.#fetchedAt, waitMs("TOKEN_KEYS_MAX_AGE_MS", MAX_AGE_MS))) {
      void this.#fetched(waitMs("TOKEN_KEYS_PAUSE_MS", PAUSE_MS));
    }
  }

  /** The keys once more, for a token that none of them fits: fetched anew unless that was done a moment ago. */
  async newer(): Promise<readonly Key[]> {
    await this.#fetched(waitMs("TOKEN_KEYS_PAUSE_MS", PAUSE_MS));
    return this.#keys ?? [];
  }

  /** Waits for the fetch that is under way, or for a new one unless the last began less than a pause ago. */
  async #fetched(pauseMs: number): Promise<void> {
    const fetchMs = waitMs("TOKEN_KEYS_FETCH_MS", FETCH_MS);
    // One that has not ended by then was dropped with the request that began it.
    if (this.#asking === undefined || isOver(this.#askedAt, 2 * fetchMs)) {
      if (!isOver(this.#askedAt, pauseMs)) {
        return;
      }
      this.#askedAt = Date.now();
      this.#asking = this.#fetch(fetchMs);
      // It goes on for the others when the request that began it ends.
      waitUntil(this.#asking);
    }
    await inTime(this.#asking, fetchMs);
  }

  /** Fetches the keys, if that succeeds. What fails is logged, without what came. */
  async #fetch(fetchMs: number): Promise<void> {
    const abort = new AbortController();
    try {
      const text = await inTime(fetchText(this.#url, abort.signal), fetchMs);
      const keys = text === undefined ? undefined : keysOf(text, false)?.keys;
      if (keys === undefined) {
        const why = text === undefined ? "no answer in time" : "the answer is no JWKS";
        throw new FetchError(why);
      }
      this.#fetchedAt = Date.now();
      if (text !== this.#text) {
        this.#text = text;
        this.#keys = keys;
        this.#onChange();
      }
    } catch (error) {
      const why = error instanceof FetchError ? error.message : "the connection failed";
      logError("the keys at TOKEN_JWKS_URL could not be fetched", why);
    } finally {
      abort.abort();
      this.#asking = undefined;
    }
  }
}

/** Whether so much time has gone by since then; also when the clock was put back. */
function isOver(sinceMs: number, ms: number): boolean {
  const goneMs = Date.now() - sinceMs;
  return goneMs >= ms || goneMs < 0;
}

/** Why a fetch gave no keys: a constant text. */
class FetchError extends Error {}

async function fetchText(url: string, signal: AbortSignal): Promise<string> {
  const headers = { Accept: "application/jwk-set+json, application/json" };
  const response = await fetch(url, { headers, signal, redirect: "manual", cache: "no-store" });
  if (response.status !== 200) {
    throw new FetchError(`the status is ${response.status}`);
  }
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) {
      throw new FetchError(`the answer is larger than ${MAX_BYTES} bytes`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

/** The result of work; undefined when it takes too long. */
async function inTime<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
