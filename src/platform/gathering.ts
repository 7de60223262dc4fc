/** So many calls that bring nothing to gather end a wait: some two milliseconds of reads. */
const MOST_OTHERS = 16;

/**
 * After so many calls no more is read until other sockets were looked at: some 5 ms of reads. What publishes or acks counts less, as
 * thousands of them go together.
 */
const READ_CALLS = 64;
const GATHERED_PART = 1 / 64;

/** Calls that brought nothing to gather, in this isolate. */
let others = 0;

type Wait = { readonly othersBefore: number; readonly end: () => void };

/** Holds whatever comes for an object back until something is done. It is not told of failures. */
type HoldBack = (until: () => Promise<void>) => void;

/**
 * The waits of one object for what is on its way, which is to go together. A zero timer tells when it has come: it fires when every
 * socket that was readable has been read. It does not fire while clients send frame after frame (100 ms for 1,200 reads, measured
 * on workerd 1.20261117). So a wait ends as well when {@link MOST_OTHERS} calls have come that neither publish nor ack.
 *
 * Such calls of all objects of the isolate count, but an object looks at that only when something comes for itself: a promise of one
 * object is not to be resolved in another. What publishes or acks does not count, unless it is refused at once: the more of it
 * comes, the more goes together.
 *
 * The runtime looks at other sockets only when it has nothing left to read. A client that always has a call on the way kept all
 * others of an isolate out for as long as it liked, who connect too. So an object that holds back what comes to it does so after
 * {@link READ_CALLS}, until all others were looked at.
 */
export class Gathering {
  readonly #holdBack: HoldBack | undefined;
  /** In the order in which they began. */
  readonly #waits = new Set<Wait>();
  #whenRead: Promise<void> | undefined;
  /** Calls since it is known that every socket that was readable had been read. */
  #calls = 0;

  constructor(holdBack?: HoldBack) {
    this.#holdBack = holdBack;
  }

  /** Calls of a frame have come for this object, so many that publish or ack and so many others. */
  note(gathered: number, othersOfFrame: number): void {
    if (othersOfFrame > 0) {
      others += othersOfFrame;
      this.look();
    }
    this.#calls += othersOfFrame + gathered * GATHERED_PART;
    if (this.#calls >= READ_CALLS && this.#holdBack !== undefined) {
      this.#calls = 0;
      // By a timer of its own: those that began before are held back too.
      this.#holdBack(timerFires);
    }
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
    void this.whenRead().then(end);
    await promise;
    this.#waits.delete(wait);
  }

  /**
   * Resolves when every socket that was readable has been read. By one timer for all that wait: an object may have 10,000, and they
   * add up while none fires.
   */
  whenRead(): Promise<void> {
    this.#whenRead ??= this.#read();
    return this.#whenRead;
  }

  async #read(): Promise<void> {
    await timerFires();
    this.#whenRead = undefined;
    this.#calls = 0;
  }
}

/** Waits for a zero timer. An object that has too many timers is refused another: then there is no wait. */
async function timerFires(): Promise<void> {
  await scheduler.wait(0).catch(() => undefined);
}
