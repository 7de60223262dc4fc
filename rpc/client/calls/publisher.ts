import { CLIENT_LIMITS } from "../../protocol/client-limits.ts";

import type { ProducerState } from "../../protocol/errors.ts";
import type { DurableStreamError } from "../error.ts";
import { ProducerNumbers } from "./producer-numbers.ts";
import { PublishLane } from "./publish-lane.ts";
import type { PendingCall } from "./pending-call.ts";
import type { Place, Publish } from "./publish.ts";
import { isRetryable, pauseMs } from "../retry.ts";
import { monotonicMs, startTimer, stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";
import { requestText } from "./request-channel.ts";
import type { Outcome, RequestChannel } from "./request-channel.ts";

/** How a client publishes. */
export type PublisherOptions = {
  /** The producer's name; at random unless given. */
  readonly producer?: string | undefined;
  /** Whether what is refused stops what is behind it. */
  readonly order?: "strict" | undefined;
};

/** Publishes that go together, each with the lane of its stream. */
type Frame = {
  readonly lanes: PublishLane[];
  readonly publishes: Publish[];
  readonly texts: string[];
  characters: number;
};

/** Kept free of publishes, for calls that should not wait behind them. */
const RESERVED_CALLS = 8;
/** Of what is left, a frame takes half: one is on the way while the server works on the other. */
const FRAME_CALLS = Math.min(CLIENT_LIMITS.batchCalls, (CLIENT_LIMITS.requestsInFlight - RESERVED_CALLS) / 2);
/** Streams whose numbers are remembered while nothing is published to them. */
const MAX_IDLE_LANES = 1_000;
/** Characters of one frame: a larger one would be read later, not sooner. */
const FRAME_CHARACTERS = 65_536;

/**
 * Sends publishes in the order of the calls, per stream and over any number of sockets: those of one tick in one frame,
 * and never more at a time than the server takes. What was not answered, or could not be stored for now, is sent again
 * with the same number ({@link ProducerNumbers}). The server stores nothing behind a number that is missing, so all that
 * was sent behind it is sent again too, in its order, once none of it is on the way.
 *
 * What is refused for good, or given up before it was sent, is passed over: those behind it are stored without it.
 */
export class Publisher {
  readonly #channel: RequestChannel;
  readonly #options: PublisherOptions;
  /** One for all streams: a producer's sequences are counted in each by itself. */
  readonly #producer: string;
  /** Those with something to publish. */
  readonly #lanes = new Map<string, PublishLane>();
  /** Those without, which remember how far their numbers go. */
  readonly #idle = new Map<string, PublishLane>();
  /** Of a stream whose numbers are not remembered: beyond all that were. */
  #firstEpoch = 0;
  /** Lanes whose producer is being asked for. */
  readonly #asking = new Set<PublishLane>();
  #failures = 0;
  #isScheduled = false;
  #wakeTimer: Timer | undefined;
  #wakesAt = Number.POSITIVE_INFINITY;

  constructor(channel: RequestChannel, options: PublisherOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#producer = options.producer ?? randomName();
  }

  /** Takes the next place among the publishes of a stream; those behind it wait until it is filled, or left. */
  hold(stream: string): Place {
    const lane = this.#lanes.get(stream) ?? this.#idle.get(stream) ?? this.#newLane();
    this.#idle.delete(stream);
    this.#lanes.set(stream, lane);
    return lane.hold();
  }

  /** Publishes in a place; `messages` as in {@link Place}. */
  fill(place: Place, call: PendingCall, messages: number): void {
    place.call = call;
    place.messages = messages;
    this.schedule();
  }

  /** Lets those behind a place pass; nothing once it is filled. */
  leave(place: Place): void {
    place.isLeft = place.call === undefined;
    this.schedule();
  }

  /** Sends what may be sent, once all that this tick publishes has been handed over. */
  schedule(): void {
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      // Two turns: what is published by those who were waiting for the answers of one frame goes in one frame.
      queueMicrotask(() => queueMicrotask(() => this.#flush()));
    }
  }

  /** Forgets what it was waiting to send; each call is settled by who opened it. */
  close(): void {
    stopTimer(this.#wakeTimer);
    this.#lanes.clear();
    this.#idle.clear();
  }

  #flush(): void {
    this.#isScheduled = false;
    for (;;) {
      const { lanes, publishes, texts } = this.#takeFrame();
      if (texts.length === 0) {
        return;
      }
      const settle = (outcome: Outcome, index: number) => this.#settle(lanes[index], publishes[index], outcome);
      this.#channel.send({ method: "publish", texts, settle });
    }
  }

  #takeFrame(): Frame {
    const frame: Frame = { lanes: [], publishes: [], texts: [], characters: 0 };
    const nowMs = monotonicMs();
    for (const [stream, lane] of this.#lanes) {
      if (lane.isEmpty) {
        this.#rest(stream, lane);
      } else if (lane.holdUntil > nowMs) {
        this.#wakeAt(lane.holdUntil);
      } else if (lane.numbers.isUnknown) {
        this.#ask(stream, lane);
      } else if (!this.#takeOf(lane, frame)) {
        // The next frame begins with another stream.
        this.#lanes.delete(stream);
        this.#lanes.set(stream, lane);
        return frame;
      }
    }
    return frame;
  }

  /** Puts the publishes of a stream into a frame. @returns False when not all of them fit. */
  #takeOf(lane: PublishLane, frame: Frame): boolean {
    const { lanes, publishes, texts } = frame;
    const room = Math.min(FRAME_CALLS, this.#channel.room - RESERVED_CALLS);
    for (let next = lane.peek(); next !== undefined; next = lane.peek()) {
      const characters = frame.characters + (next.params ?? next.call.params).length;
      const isFull = texts.length >= room || (texts.length > 0 && characters > FRAME_CHARACTERS);
      if (isFull || !this.#channel.hasRoomFor(characters)) {
        return false;
      }
      frame.characters = characters;
      lane.take(next);
      next.call.sent();
      lanes.push(lane);
      publishes.push(next);
      texts.push(requestText(next.call.method, lane.numbers.paramsOf(next)));
    }
    return true;
  }

  #newLane(): PublishLane {
    const isNamed = this.#options.producer !== undefined;
    const numbers = new ProducerNumbers(this.#producer, isNamed ? undefined : this.#firstEpoch);
    return new PublishLane(numbers, this.#options.order === "strict");
  }

  /** A lane has nothing to do for now. Of those that had nothing for longest the numbers are forgotten in the end. */
  #rest(stream: string, lane: PublishLane): void {
    this.#lanes.delete(stream);
    this.#idle.set(stream, lane);
    const [oldest] = this.#idle;
    if (this.#idle.size > MAX_IDLE_LANES && oldest !== undefined) {
      this.#idle.delete(oldest[0]);
      this.#firstEpoch = Math.max(this.#firstEpoch, oldest[1].numbers.nextEpoch);
    }
  }

  #settle(lane: PublishLane | undefined, publish: Publish | undefined, outcome: Outcome): void {
    if (lane === undefined || publish === undefined) {
      return;
    }
    const { call } = publish;
    if (outcome.kind === "result") {
      this.#failures = 0;
      lane.stored(publish);
      call.resolve(outcome.result);
    } else if (outcome.kind === "lost") {
      call.lost(outcome.mayBeDone);
      publish.isUnknown ||= outcome.mayBeDone;
      lane.putBack(publish, 0);
    } else if (isRetryable(outcome.error)) {
      call.refused(outcome.error);
      publish.isUnknown ||= outcome.error.name === "OutcomeUnknown";
      lane.putBack(publish, this.#holdUntil(lane, outcome.error));
    } else if (lane.numbers.conflicts(publish, outcome.error)) {
      call.refused(outcome.error);
      lane.putBack(publish, lane.numbers.isStuck ? this.#holdUntil(lane, outcome.error) : 0);
    } else {
      call.refuse(outcome.error);
      lane.refused(publish, outcome.error);
    }
  }

  /** Asks which epochs of a producer there were: it takes over from them. */
  #ask(stream: string, lane: PublishLane): void {
    // Only for a publish that could go: one that is still being made ready may never come.
    if (lane.peek() === undefined || this.#channel.room <= RESERVED_CALLS || this.#asking.has(lane)) {
      return;
    }
    this.#asking.add(lane);
    const method = "getProducer";
    const params = JSON.stringify({ ...(stream === "" ? {} : { stream }), producer: this.#producer });
    const settle = (outcome: Outcome) => {
      this.#asking.delete(lane);
      if (outcome.kind === "result") {
        const { producer }: { producer?: ProducerState } = outcome.result;
        lane.numbers.begin(producer ?? { epoch: 0, sequence: 0 });
      } else if (outcome.kind === "error" && isRetryable(outcome.error)) {
        lane.holdBack(this.#holdUntil(lane, outcome.error));
      } else if (outcome.kind === "error") {
        lane.refuseAll(outcome.error);
      }
    };
    this.#channel.send({ method, texts: [requestText(method, params)], settle });
  }

  /** When a stream's publishes may be sent again: those of one frame fail together and wait once. */
  #holdUntil(lane: PublishLane, error: DurableStreamError): number {
    const nowMs = monotonicMs();
    if (lane.holdUntil > nowMs) {
      return lane.holdUntil;
    }
    this.#failures += 1;
    return nowMs + pauseMs(error, this.#failures);
  }

  #wakeAt(atMs: number): void {
    if (atMs < this.#wakesAt) {
      stopTimer(this.#wakeTimer);
      this.#wakesAt = atMs;
      this.#wakeTimer = startTimer(atMs - monotonicMs(), () => {
        this.#wakesAt = Number.POSITIVE_INFINITY;
        this.schedule();
      });
    }
  }
}

/** A name unlike any other, and short: it stands in every frame. `randomUUID` is not there on pages without TLS. */
function randomName(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(3)), (number) => number.toString(36)).join("");
}
