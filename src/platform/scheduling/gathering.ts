/** So many calls that bring nothing to gather end a wait: some two milliseconds of reads. */
const MOST_OTHERS = 16;

/**
 * After so many calls no more is read until other sockets were looked at: some 5 ms of reads. What publishes or acks counts less, as
 * a thousand of them go together; and text, with what it becomes when it is parsed, as so many bytes of it take as long as a call.
 */
const READ_CALLS = 64;
const GATHERED_PART = 1 / 16;
const CALL_BYTES = 16_384;

/** What has come in a frame. */
export type Arrived = {
  /** Calls that publish or ack. */
  readonly gathered: number;
  /** All other calls. */
  readonly others: number;
  /** What its text and the values in it take. */
  readonly bytes: number;
};

/** Calls that brought nothing to gather, in this isolate. */
let others = 0;

type Wait = { readonly othersBefore: number; readonly end: () => void };

/** Holds whatever comes for an object back until something is done that does not fail. */
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
  /** Which all waits share that began before it fires, and the one behind it. */
  #timer: Promise<void> | undefined;
  #nextTimer: Promise<void> | undefined;
  /** Calls, and what takes as long, since it is known that every socket that was readable had been read. */
  #calls = 0;

  constructor(holdBack?: HoldBack) {
    this.#holdBack = holdBack;
  }

  /** A frame has come for this object. */
  note(arrived: Arrived): void {
    if (arrived.others > 0) {
      others += arrived.others;
      this.look();
    }
    this.#calls += arrived.others + arrived.gathered * GATHERED_PART + arrived.bytes / CALL_BYTES;
    if (this.#calls >= READ_CALLS && this.#holdBack !== undefined) {
      this.#calls = 0;
      // By a timer that begins in there: what began before is held back too. An object that has too many is refused it, and goes on.
      this.#holdBack(() => scheduler.wait(0).catch(() => undefined));
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
    void this.#whenTimerFires().then(end, end);
    await promise;
    this.#waits.delete(wait);
  }

  /**
   * Resolves when every socket that is readable now has been read, but for what is held back: by a timer that begins after the call,
   * so that a frame that comes before it fires, and asks too, waits for a later one.
   *
   * @throws When the object has as many timers as it may.
   */
  async whenRead(): Promise<void> {
    if (this.#timer === undefined) {
      return this.#whenTimerFires();
    }
    this.#nextTimer ??= this.#afterThisTimer();
    return this.#nextTimer;
  }

  /** By one timer for all that wait: an object may have 10,000, and they add up while none fires. */
  #whenTimerFires(): Promise<void> {
    this.#timer ??= this.#fire();
    return this.#timer;
  }

  async #fire(): Promise<void> {
    try {
      await scheduler.wait(0);
    } finally {
      this.#timer = undefined;
      this.#calls = 0;
    }
  }

  async #afterThisTimer(): Promise<void> {
    try {
      await this.#timer;
    } finally {
      this.#nextTimer = undefined;
    }
    await this.#whenTimerFires();
  }
}
