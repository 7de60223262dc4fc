import type { DurableStreamError } from "../error.ts";
import { CancellableQueue } from "./cancellable-queue.ts";
import type { ProducerNumbers } from "./producer-numbers.ts";
import { isFilled, isGone, newPlace } from "./publish.ts";
import type { Place, Publish } from "./publish.ts";

/**
 * The publishes to one stream, in the order they were made. What has to be sent again goes before all that was never
 * sent, and while some of it is on the way nothing is sent past it. One that its caller gave up, or whose time is over,
 * leaves its place to those behind it, unless it was sent: then it is sent again until its outcome is known.
 */
export class PublishLane {
  /** The numbers of the producer in this stream. */
  readonly numbers: ProducerNumbers;
  readonly #waiting = new CancellableQueue<Place>(isGone);
  #unanswered = 0;
  #again: Publish[] = [];
  /** Unanswered ones that are stored in an epoch before: the next epoch would close that, and with it what they ask. */
  #asking = 0;
  readonly #isStrict: boolean;
  /** One was refused in a strict order. */
  #isStopped = false;
  #holdUntil = 0;
  #lastOrder = 0;

  constructor(numbers: ProducerNumbers, isStrict: boolean) {
    this.numbers = numbers;
    this.#isStrict = isStrict;
  }

  /** Takes the next place. */
  hold(): Place {
    this.#lastOrder += 1;
    const place = newPlace(this.#lastOrder);
    this.#waiting.push(place);
    return place;
  }

  get isEmpty(): boolean {
    return this.#waiting.peek() === undefined && this.#unanswered === 0 && this.#again.length === 0;
  }

  /** Until when nothing of it is sent, because the server asked for a pause. */
  get holdUntil(): number {
    return this.#holdUntil;
  }

  /** Nothing is sent before a time. */
  holdBack(untilMs: number): void {
    this.#holdUntil = Math.max(this.#holdUntil, untilMs);
  }

  /** Every publish that waits is refused. */
  refuseAll(error: DurableStreamError): void {
    this.#waiting.items().forEach(({ call }) => call?.refuse(error));
  }

  /** The publish to be sent next, as far as order lets any. */
  peek(): Publish | undefined {
    const place = this.#again.length > 0 ? undefined : this.#waiting.peek();
    const isNext = place !== undefined && isFilled(place) && (this.#asking === 0 || place.isStored);
    return isNext ? place : undefined;
  }

  /** The publish that was peeked at is sent. */
  take(publish: Publish): void {
    this.#waiting.take();
    publish.params ??= publish.call.params;
    this.numbers.give(publish);
    this.#asking += publish.isStored ? 1 : 0;
    this.#unanswered += 1;
  }

  /** It is stored. */
  stored(publish: Publish): void {
    this.numbers.stored(publish);
    this.#answered(publish);
  }

  /** It was refused for good: what is behind it moves up, or in a strict order is not sent either. */
  refused(publish: Publish, error: DurableStreamError): void {
    this.numbers.refused(publish, error);
    this.#isStopped ||= this.#isStrict;
    this.#answered(publish);
  }

  /** It is to be sent again, not before a time. */
  putBack(publish: Publish, holdUntil: number): void {
    this.#again.push(publish);
    this.holdBack(holdUntil);
    this.#answered(publish);
  }

  /** Nothing is sent again before all that is on the way has been answered. */
  #answered(publish: Publish): void {
    this.#unanswered -= 1;
    this.#asking -= publish.isStored ? 1 : 0;
    if (this.#unanswered === 0) {
      this.#repeat();
    }
  }

  /** What has to be sent again becomes what is sent next. */
  #repeat(): void {
    const again = this.#again.toSorted((a, b) => a.order - b.order);
    if (this.#isStopped) {
      for (const { call } of [...again, ...this.#waiting.items()]) {
        call?.giveUp("a publish before it was refused");
      }
      this.#isStopped = false;
    }
    const left = this.numbers.renumber(again);
    if (left.length > 0) {
      this.#waiting.putBefore(left);
    }
    this.#again = [];
  }
}
