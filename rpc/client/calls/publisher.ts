import { LIMITS } from "../../protocol/limits.ts";

import type { DurableStreamError } from "../error.ts";
import { PublishLane } from "./publish-lane.ts";
import type { HeldPlace, Publish } from "./publish-lane.ts";
import { isRetryable, pauseMs } from "../retry.ts";
import { monotonicMs, startTimer, stopTimer } from "../time.ts";
import type { Timer } from "../time.ts";
import type { Outcome, Request, RequestChannel } from "./request-channel.ts";

/** Kept free of publishes, for calls that should not wait behind them. */
const RESERVED_CALLS = 8;
/** Of what is left, a frame takes half: one is on the way while the server works on the other. */
const FRAME_CALLS = Math.min(LIMITS.batchCalls, (LIMITS.requestsInFlight - RESERVED_CALLS) / 2);
/** Characters of one frame: a larger one would be read later, not sooner. */
const FRAME_CHARACTERS = 65_536;

/**
 * Sends publishes in order, those of one tick in one frame, never more at a time than the server takes, and again, with
 * the same id, what was not answered or could not be stored for now.
 *
 * Order is that of the calls, per stream, over any number of sockets. A server that has no room for a publish refuses
 * those that were sent behind it too, until none of them is on the way; all are then sent again, in their order. What
 * is refused for good, given up or not done in its time is passed over: those behind it are stored without it.
 */
export class Publisher {
  readonly #wire: RequestChannel;
  readonly #lanes = new Map<string, PublishLane>();
  #failures = 0;
  #isScheduled = false;
  #wakeTimer: Timer | undefined;
  #wakesAt = Number.POSITIVE_INFINITY;

  constructor(wire: RequestChannel) {
    this.#wire = wire;
  }

  /** Takes the next place among the publishes of a stream; those behind it wait until it is filled, or left. */
  hold(stream: string): HeldPlace {
    let lane = this.#lanes.get(stream);
    if (lane === undefined) {
      lane = new PublishLane();
      this.#lanes.set(stream, lane);
    }
    const place = lane.hold();
    return {
      fill: (call) => {
        place.fill(call);
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
  }

  #flush(): void {
    this.#isScheduled = false;
    for (;;) {
      const requests = this.#takeFrame();
      if (requests.length === 0) {
        return;
      }
      this.#wire.send(requests);
    }
  }

  #takeFrame(): Request[] {
    const requests: Request[] = [];
    const room = Math.min(FRAME_CALLS, this.#wire.room - RESERVED_CALLS);
    const nowMs = monotonicMs();
    let characters = 0;
    for (const [stream, lane] of this.#lanes) {
      if (lane.isEmpty) {
        this.#lanes.delete(stream);
        continue;
      }
      if (lane.holdUntil > nowMs) {
        this.#wakeAt(lane.holdUntil);
        continue;
      }
      let next = lane.peek();
      while (next !== undefined) {
        characters += next.call.params.length;
        const isFull = requests.length >= room || (requests.length > 0 && characters > FRAME_CHARACTERS);
        if (isFull || !this.#wire.hasRoomFor(characters)) {
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

  #request(lane: PublishLane, publish: Publish): Request {
    const { method, params } = publish.call;
    return {
      method,
      params,
      sent: () => publish.call.sent(),
      settle: (outcome) => this.#settle(lane, publish, outcome),
    };
  }

  #settle(lane: PublishLane, publish: Publish, outcome: Outcome): void {
    const { call } = publish;
    if (outcome.kind === "result") {
      this.#failures = 0;
      lane.done(publish);
      call.resolve(outcome.result);
    } else if (outcome.kind === "lost") {
      call.lost(outcome.mayBeDone);
      lane.putBack(publish, 0);
    } else if (isRetryable(outcome.error)) {
      call.refused(outcome.error);
      lane.putBack(publish, this.#holdUntil(lane, outcome.error));
    } else {
      lane.done(publish);
      call.refuse(outcome.error);
    }
    this.schedule();
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
