import { pauseBetweenTurns } from "../../platform/scheduling/pace.ts";

/**
 * Work of a stream that goes on in turns by itself, until nothing is left or a turn fails. An eviction ends it, and
 * an object that takes 30 s of CPU with no request between is likely to be evicted
 * (developers.cloudflare.com/durable-objects/platform/limits, CPU per request): each turn stores what it has done.
 */
export class TurnLoop {
  readonly #ctx: DurableObjectState;
  readonly #turn: () => boolean;
  readonly #failed: (error: unknown) => void;
  readonly #pause: () => Promise<void>;
  #isRunning = false;
  #isPending = false;

  /**
   * @param turn Does some of the work; returns whether any is left.
   * @param failed Is told why a turn has thrown.
   * @param pause What is waited for before each turn.
   */
  constructor(
    ctx: DurableObjectState,
    turn: () => boolean,
    failed: (error: unknown) => void,
    pause: () => Promise<void> = pauseBetweenTurns,
  ) {
    this.#ctx = ctx;
    this.#turn = turn;
    this.#failed = failed;
    this.#pause = pause;
  }

  /** Whether a turn is to come; while one runs it is not known yet. */
  get isPending(): boolean {
    return this.#isPending;
  }

  /** Begins after a pause, unless it is under way. */
  start(): void {
    if (!this.#isRunning) {
      this.#isRunning = true;
      this.#ctx.waitUntil(this.#run());
    }
  }

  async #run(): Promise<void> {
    try {
      do {
        this.#isPending = true;
        await this.#pause();
        this.#isPending = false;
      } while (this.#turn());
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isRunning = false;
    }
  }
}
