import { pauseBetweenTurns } from "../platform/pace.ts";

/** Work of a stream that goes on in turns by itself, until nothing is left or a turn fails. An eviction ends it. */
export class TurnLoop {
  readonly #ctx: DurableObjectState;
  readonly #turn: () => boolean;
  readonly #failed: (error: unknown) => void;
  #isRunning = false;

  /**
   * @param turn Does some of the work; returns whether any is left.
   * @param failed Is told why a turn has thrown.
   */
  constructor(ctx: DurableObjectState, turn: () => boolean, failed: (error: unknown) => void) {
    this.#ctx = ctx;
    this.#turn = turn;
    this.#failed = failed;
  }

  /** Whether a turn is to come. */
  get isRunning(): boolean {
    return this.#isRunning;
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
        await pauseBetweenTurns();
      } while (this.#turn());
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isRunning = false;
    }
  }
}

/** What is done of {@link PacedCalls} before there is a pause: text that is read, or what takes as long. */
const PACED_BYTES = 65_536;

/**
 * Calls that clients may make many of at once and that take long, in their order: after some of them whatever else has come
 * runs before the next.
 */
export class PacedCalls {
  #last: Promise<unknown> = Promise.resolve();
  #bytes = 0;

  /** Runs a call in its turn. @param bytesOf What it took, as text that is read. */
  run<Result>(call: () => Result, bytesOf: (result: Result) => number): Promise<Result> {
    const turn = this.#last.then(call);
    this.#last = turn.then(
      (result) => this.#pauseAfter(bytesOf(result)),
      () => undefined,
    );
    return turn;
  }

  #pauseAfter(bytes: number): Promise<void> | undefined {
    this.#bytes += bytes;
    if (this.#bytes < PACED_BYTES) {
      return undefined;
    }
    this.#bytes = 0;
    return pauseBetweenTurns();
  }
}
