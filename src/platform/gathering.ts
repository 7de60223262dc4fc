/** So many calls that bring nothing to gather end a wait: some two milliseconds of reads. */
const MOST_OTHERS = 16;

/** Calls that brought nothing to gather, in this isolate. */
let others = 0;

type Wait = { readonly othersBefore: number; readonly end: () => void };

/**
 * The waits of one object for what is on its way, which is to go together. A zero timer tells when it has come: it fires when every
 * socket that was readable has been read. It does not fire while clients send frame after frame (100 ms for 1,200 reads, measured
 * on workerd 1.20261117). So a wait ends as well when {@link MOST_OTHERS} calls have come that neither publish nor ack.
 *
 * Such calls of all objects of the isolate count, but an object looks at that only when something comes for itself: a promise of one
 * object is not to be resolved in another. What publishes or acks does not count, whatever becomes of it: the more of it comes, the
 * more goes together.
 */
export class Gathering {
  /** In the order in which they began. */
  readonly #waits = new Set<Wait>();

  /** Calls have come for this object that neither publish nor ack. */
  noteOthers(calls: number): void {
    others += calls;
    this.look();
  }

  /** Something has come for this object. */
  look(): void {
    for (const wait of this.#waits) {
      if (others - wait.othersBefore < MOST_OTHERS) {
        return;
      }
      this.#waits.delete(wait);
      wait.end();
    }
  }

  /** Resolves when there is no more to wait for. */
  async whenGathered(): Promise<void> {
    const { promise, resolve: end } = Promise.withResolvers<void>();
    const wait = { othersBefore: others, end };
    this.#waits.add(wait);
    // Cleared when it is too late: an object may have 10,000 timers, and they add up while none fires.
    const timer = setTimeout(end, 0);
    await promise;
    clearTimeout(timer);
    this.#waits.delete(wait);
  }
}
