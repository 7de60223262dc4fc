import { LIMITS } from "../../protocol/limits.ts";

import type { ProducerState } from "../../protocol/errors.ts";
import type { DurableStreamError } from "../error.ts";
import { ProducerNumbers } from "./producer-numbers.ts";
import { PublishLane } from "./publish-lane.ts";
import type { HeldPlace } from "./publish-lane.ts";
import type { Publish } from "./publish.ts";
import { isRetryable, pauseMs } from "../retry.ts";
import { monotonicMs, startTimer, stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";
import type { Outcome, Request, RequestChannel } from "./request-channel.ts";

/** How a client publishes. */
export type PublisherOptions = {
  /** The producer's name; at random unless given. */
  readonly producer?: string | undefined;
  /** Whether what is refused stops what is behind it. */
  readonly order?: "strict" | undefined;
};

/** Kept free of publishes, for calls that should not wait behind them. */
const RESERVED_CALLS = 8;
/** Of what is left, a frame takes half: one is on the way while the server works on the other. */
const FRAME_CALLS = Math.min(LIMITS.batchCalls, (LIMITS.requestsInFlight - RESERVED_CALLS) / 2);
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
  hold(stream: string): HeldPlace {
    const lane = this.#lanes.get(stream) ?? this.#idle.get(stream) ?? this.#newLane();
    this.#idle.delete(stream);
    this.#lanes.set(stream, lane);
    const place = lane.hold();
    return {
      fill: (call, messages) => {
        place.fill(call, messages);
        this.schedule();
      },
      leave: () => {
        place.leave();
        this.schedule();
      },
    };
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
      const requests = this.#takeFrame();
      if (requests.length === 0) {
        return;
      }
      this.#channel.send(requests);
    }
  }

  #takeFrame(): Request[] {
    const requests: Request[] = [];
    const room = Math.min(FRAME_CALLS, this.#channel.room - RESERVED_CALLS);
    const nowMs = monotonicMs();
    let characters = 0;
    for (const [stream, lane] of this.#lanes) {
      if (lane.isEmpty) {
        this.#rest(stream, lane);
        continue;
      }
      if (lane.holdUntil > nowMs) {
        this.#wakeAt(lane.holdUntil);
        continue;
      }
      if (lane.numbers.isUnknown) {
        // Only for a publish that could go: one that is still being made ready may never come.
        if (lane.peek() !== undefined && requests.length < room && !this.#asking.has(lane)) {
          requests.push(this.#ask(stream, lane));
        }
        continue;
      }
      let next = lane.peek();
      while (next !== undefined) {
        characters += (next.params ?? next.call.params).length;
        const isFull = requests.length >= room || (requests.length > 0 && characters > FRAME_CHARACTERS);
        if (isFull || !this.#channel.hasRoomFor(characters)) {
          // The next frame begins with another stream.
          this.#lanes.delete(stream);
          this.#lanes.set(stream, lane);
          return requests;
        }
        lane.take(next);
        requests.push(this.#request(lane, next));
        next = lane.peek();
      }
    }
    return requests;
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

  #request(lane: PublishLane, publish: Publish): Request {
    return {
      method: publish.call.method,
      params: lane.numbers.paramsOf(publish),
      sent: () => publish.call.sent(),
      settle: (outcome) => this.#settle(lane, publish, outcome),
    };
  }

  #settle(lane: PublishLane, publish: Publish, outcome: Outcome): void {
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
    this.schedule();
  }

  /** Asks which epochs of a producer there were: it takes over from them. */
  #ask(stream: string, lane: PublishLane): Request {
    this.#asking.add(lane);
    return {
      method: "getProducer",
      params: JSON.stringify({ ...(stream === "" ? {} : { stream }), producer: this.#producer }),
      settle: (outcome) => {
        this.#asking.delete(lane);
        if (outcome.kind === "result") {
          const { producer }: { producer?: ProducerState } = outcome.result;
          lane.numbers.begin(producer ?? { epoch: 0, sequence: 0 });
        } else if (outcome.kind === "error" && isRetryable(outcome.error)) {
          lane.holdBack(this.#holdUntil(lane, outcome.error));
        } else if (outcome.kind === "error") {
          lane.refuseAll(outcome.error);
        }
        this.schedule();
      },
    };
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
