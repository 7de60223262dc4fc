import type { PendingCall } from "./pending-call.ts";
import { CancellableQueue } from "./cancellable-queue.ts";

/** A publish with its place among those of its stream. */
export type Publish = { readonly call: PendingCall; readonly order: number };

/**
 * A place among the publishes of a stream. Held without a call, all that is behind it waits: what is to be published
 * there is still being made ready.
 */
type Place = { readonly order: number; call?: PendingCall; isLeft?: boolean };

/** A place that was taken, until it has its publish. */
export type HeldPlace = {
  /** Publishes there. */
  fill(call: PendingCall): void;
  /** Lets those behind it pass; nothing once it is filled. */
  leave(): void;
};

/**
 * The publishes to one stream, in the order they were made. What has to be sent again goes before all that was never
 * sent, and while some of it is on the way nothing is sent past it. One that its caller gave up, or whose time is over,
 * leaves its place to those behind it.
 */
export class PublishLane {
  readonly #waiting = new CancellableQueue<Place>(({ call, isLeft }) => isLeft === true || call?.isSettled === true);
  readonly #unanswered = new Set<Publish>();
  #again: Publish[] = [];
  #holdUntil = 0;
  #lastOrder = 0;

  /** Takes the next place. */
  hold(): HeldPlace {
    this.#lastOrder += 1;
    const place: Place = { order: this.#lastOrder };
    this.#waiting.push(place);
    return {
      fill: (call) => (place.call = call),
      leave: () => (place.isLeft = place.call === undefined),
    };
  }

  get isEmpty(): boolean {
    return this.#waiting.peek() === undefined && this.#unanswered.size === 0 && this.#again.length === 0;
  }

  /** Until when nothing of it is sent, because the server asked for a pause. */
  get holdUntil(): number {
    return this.#holdUntil;
  }

  /** The publish to be sent next, as far as order lets any. */
  peek(): Publish | undefined {
    const place = this.#again.length > 0 ? undefined : this.#waiting.peek();
    return place !== undefined && isFilled(place) ? place : undefined;
  }

  /** The publish that was peeked at is sent. */
  take(publish: Publish): void {
    this.#waiting.take();
    this.#unanswered.add(publish);
  }

  /** It was answered, for good. */
  done(publish: Publish): void {
    this.#unanswered.delete(publish);
    this.#takeUp();
  }

  /** It is to be sent again, not before a time. */
  putBack(publish: Publish, holdUntil: number): void {
    this.#unanswered.delete(publish);
    this.#again.push(publish);
    this.#holdUntil = Math.max(this.#holdUntil, holdUntil);
    this.#takeUp();
  }

  /** Once nothing is on the way any more, what has to be sent again becomes what is sent next. */
  #takeUp(): void {
    if (this.#unanswered.size > 0 || this.#again.length === 0) {
      return;
    }
    this.#waiting.putBefore(this.#again.toSorted((a, b) => a.order - b.order));
    this.#again = [];
  }
}

function isFilled(place: Place): place is Publish {
  return place.call !== undefined;
}
