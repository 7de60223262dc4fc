import type { Outcome } from "./request-channel.ts";
import { backoffMs, isRetryable, pauseMs } from "../retry.ts";
import { startTimer, stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";
import type { TokenSource } from "../connection/token-source.ts";

/** What a renewal needs of its client. */
export type RenewalHost = {
  readonly tokens: TokenSource;
  /** The token that the open socket has. */
  readonly current: () => string | undefined;
  /** Sends `authenticate` on the open socket. */
  readonly authenticate: (token: string, settle: (outcome: Outcome) => void) => void;
  /** The open socket has another token from now on. */
  readonly renewed: (token: string) => void;
};

/**
 * Gives the open socket a new token before its own ends. Whatever fails here, the server closes the socket at that end, and
 * the next one is opened with a token of its own.
 */
export class TokenRenewal {
  readonly #host: RenewalHost;
  #failures = 0;
  /** Changes when what is under way is of no use any more. */
  #attempt = 0;
  #timer: Timer | undefined;

  constructor(host: RenewalHost) {
    this.#host = host;
  }

  /** The server says that the token of the open socket ends soon. */
  expiring(): void {
    this.stop();
    if (this.#host.tokens.mayChange) {
      this.#failures = 0;
      void this.#renew(this.#attempt);
    }
  }

  /** The socket is gone, and its token with it. */
  stop(): void {
    this.#attempt += 1;
    stopTimer(this.#timer);
  }

  async #renew(attempt: number): Promise<void> {
    let token: string;
    try {
      token = await this.#host.tokens.ask();
    } catch {
      // Safe: it is asked again.
      this.#again(attempt, backoffMs(this.#failures));
      return;
    }
    // One that the function gave before ends when it ends.
    if (attempt === this.#attempt && token !== this.#host.current()) {
      this.#host.authenticate(token, (outcome) => this.#answered(attempt, token, outcome));
    }
  }

  #answered(attempt: number, token: string, outcome: Outcome): void {
    if (outcome.kind === "result" && attempt === this.#attempt) {
      this.#host.renewed(token);
    } else if (outcome.kind === "error" && isRetryable(outcome.error)) {
      this.#again(attempt, pauseMs(outcome.error, this.#failures));
    }
  }

  #again(attempt: number, ms: number): void {
    if (attempt === this.#attempt) {
      this.#failures += 1;
      this.#timer = startTimer(ms, () => void this.#renew(attempt));
    }
  }
}
