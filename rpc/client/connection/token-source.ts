import { deferred } from "../deferred.ts";
import type { Deferred } from "../deferred.ts";
import { startTimer, stopTimer } from "../time.ts";

/** Where the tokens of a client come from: a text for good, or a function that is asked for each. */
export class TokenSource {
  readonly #token: string | (() => string | Promise<string>);
  readonly #patienceMs: number;
  #asked: Promise<string> | undefined;
  /** Rejects when nobody waits for the function any longer. */
  #left: Deferred<never> | undefined;

  /** @param patienceMs How long the function may take. */
  constructor(token: string | (() => string | Promise<string>), patienceMs: number) {
    this.#token = token;
    this.#patienceMs = patienceMs;
  }

  /** Whether it may give another token when it is asked again. */
  get mayChange(): boolean {
    return typeof this.#token === "function";
  }

  /** The token now; who asks while it is asked for gets the same one. Rejects when there is none in time. */
  async ask(): Promise<string> {
    const token = this.#token;
    if (typeof token === "string") {
      return token;
    }
    this.#asked ??= this.#call(token).finally(() => (this.#asked = undefined));
    return this.#asked;
  }

  /** Whoever waits for a token waits no longer. */
  leave(): void {
    this.#left?.reject(new Error("the client was closed"));
  }

  async #call(give: () => string | Promise<string>): Promise<string> {
    const left = deferred<never>();
    const timer = startTimer(this.#patienceMs, () => left.reject(new Error("it took too long")));
    this.#left = left;
    try {
      const found: unknown = await Promise.race([give(), left.promise]);
      if (typeof found !== "string" || found === "") {
        throw new TypeError("the function gave none");
      }
      return found;
    } finally {
      stopTimer(timer);
      this.#left = undefined;
    }
  }
}
