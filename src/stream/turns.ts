import { pauseBetweenTurns } from "../platform/pace.ts";

/** Work of a stream that goes on in turns by itself, until nothing is left or a turn fails. An eviction ends it. */
export class TurnLoop {
  readonly #ctx: DurableObjectState;
  readonly #turn: () => boolean;
  readonly #failed: (error: unknown) => void;
  #isRunning = false;
  #isPending = false;

  /**
   * @param turn Does some of the work; returns whether any is left.
   * @param failed Is told why a turn has thrown.
   */
  constructor(ctx: DurableObjectState, turn: () => boolean, failed: (error: unknown) => void) {
    this.#ctx = ctx;
    this.#turn = turn;
    this.#failed = failed;
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
        await pauseBetweenTurns();
        this.#isPending = false;
      } while (this.#turn());
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isRunning = false;
    }
  }
}
