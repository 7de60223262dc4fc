import type { ErrorData } from "../../errors.ts";
import type { DeliveredMessage } from "../../message.ts";
import type { NotificationParams } from "../../notifications.ts";
import type { SubscribeConsumerParams, SubscribeResult } from "../../subscription.ts";

import { DurableStreamError } from "../error.ts";
import type { LineEvent } from "./event-queue.ts";
import type { ConsumerDelivery } from "./events.ts";
import { ServerSubscription } from "./server-subscription.ts";
import type { FollowerHost, Subscriber } from "./server-subscription.ts";
import { checkDelay, checkReason } from "./settle-params.ts";
import { ConsumerAcks } from "./consumer-acks.ts";
import type { SubscriptionSink } from "./subscription.ts";

const DEFAULT_MAX_IN_FLIGHT = 256;

/** A message that was handed on. With manual acks the reader may have gone on to the next without having settled it. */
type Held = { isPassed: boolean };

/**
 * Takes a share of a consumer. When its socket is lost the server gives what was not settled to others: what waits here
 * is forgotten, what is being handled is finished and acked on the next socket, and not handled twice at a time.
 */
export class ConsumerFollower implements Subscriber {
  readonly #host: FollowerHost;
  readonly #params: SubscribeConsumerParams;
  readonly #isManual: boolean;
  readonly #sink: SubscriptionSink<ConsumerDelivery>;
  readonly #subscription: ServerSubscription;
  readonly #settlements: ConsumerAcks;
  /** Handed on and not settled, by sequence. */
  readonly #held = new Map<number, Held>();
  /** The life of the stream that the sequences are of. */
  #epoch: string | undefined;
  /** Changes with each subscription of the server, whose numbers begin anew on each socket. */
  #life = {};
  /** The sequence sent last on this subscription; 0 at the start. */
  #previous = 0;
  #isEnded = false;

  constructor(
    host: FollowerHost,
    params: SubscribeConsumerParams,
    reading: { isManual: boolean; sink: SubscriptionSink<ConsumerDelivery> },
  ) {
    this.#host = host;
    this.#params = params;
    this.#isManual = reading.isManual;
    this.#sink = reading.sink;
    this.#subscription = new ServerSubscription(host, this);
    this.#settlements = new ConsumerAcks(host, params.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT);
  }

  opened(): void {
    this.#subscription.open();
  }

  lost(): void {
    this.#forget();
    this.#subscription.leave();
  }

  receive({ previous, messages }: NotificationParams<"messages">): void {
    const epoch = this.#epoch;
    if (epoch === undefined) {
      return;
    }
    if (previous !== this.#previous) {
      // Something between was lost: on a new subscription it comes again.
      this.#settlements.flush();
      this.#forget();
      this.#subscription.unsubscribe();
      this.#subscription.open();
      return;
    }
    this.#previous = messages.at(-1)?.sequence ?? previous;
    const fresh: LineEvent<ConsumerDelivery>[] = [];
    for (const message of messages) {
      // What comes again while it is handled is not handled twice at a time.
      const isInHand = this.#held.get(message.sequence)?.isPassed === false;
      if (!isInHand && !this.#settlements.has(message.sequence)) {
        fresh.push(this.#hold(message, epoch));
      }
    }
    this.#sink.line.push(fresh);
  }

  receiveGap(): void {
    // A consumer is not told of gaps: its info counts what is lost.
  }

  receiveClosed({ reason }: NotificationParams<"subscriptionClosed">): void {
    if (reason === "streamRestored") {
      this.#isOver("EpochChanged", { reason: "restored" });
    } else {
      this.#isOver("NotFound", { what: "consumer", reason });
    }
  }

  finish(): Promise<void> | undefined {
    const handled = this.#sink.finish();
    return handled === undefined ? this.store() : handled.then(() => this.store());
  }

  store(): Promise<void> | undefined {
    return this.#settlements.store();
  }

  end(error?: unknown): void {
    if (!this.#isEnded) {
      this.#isEnded = true;
      this.#settlements.end();
      this.#subscription.unsubscribe();
      this.#host.ended(this);
      this.#sink.ended(error);
    }
  }

  subscribeParams(): SubscribeConsumerParams {
    return this.#params;
  }

  begun(answer: SubscribeResult): void {
    this.#previous = 0;
    this.#life = {};
    this.#epoch ??= answer.epoch;
    if (this.#epoch !== answer.epoch) {
      this.#isOver("EpochChanged", { epoch: answer.epoch });
      return;
    }
    for (const [sequence, { isPassed }] of this.#held) {
      if (isPassed) {
        this.#held.delete(sequence);
      }
    }
    this.#settlements.begin(answer.subscription);
    this.#sink.begun(answer);
  }

  refused(error: DurableStreamError): void {
    this.end(error);
  }

  /**
   * A consumer ends with its stream: one of that name in another life, or in a restored stream, is another, in which the
   * same numbers are other messages. Nothing that was done says anything of it.
   */
  #isOver(name: "NotFound" | "EpochChanged", data: ErrorData): void {
    this.#settlements.forget();
    this.end(new DurableStreamError(name, "the consumer that was subscribed to is gone", { data }));
  }

  #hold(message: DeliveredMessage, epoch: string): LineEvent<ConsumerDelivery> {
    const { sequence, deliveryCount = 1 } = message;
    const life = this.#life;
    const held: Held = { isPassed: false };
    this.#held.set(sequence, held);
    let isSettled = false;
    const release = () => {
      if (this.#held.get(sequence) === held) {
        this.#held.delete(sequence);
      }
    };
    /** The first word counts. */
    const settle = (tell: () => void): void => {
      if (!isSettled && !this.#isEnded) {
        release();
        tell();
      }
      isSettled = true;
    };
    /** What was given to others, or came here again, is not this delivery's to give back. */
    const isStillMine = () => life === this.#life && this.#held.get(sequence) === held;
    const ack = () => settle(() => this.#settlements.ack(sequence, this.#sink.line.isEmpty));
    const delivery: ConsumerDelivery = {
      ...message,
      type: "message",
      epoch,
      deliveryCount,
      ack,
      nak: (delayMs) => {
        checkDelay(delayMs);
        const isMine = isStillMine();
        settle(() => isMine && this.#settlements.tell("nak", withDefined({ sequences: [sequence], delayMs })));
      },
      term: (reason) => {
        checkReason(reason);
        settle(() => this.#settlements.tell("term", withDefined({ sequences: [sequence], reason })));
      },
      working: () => isStillMine() && !isSettled && this.#settlements.tell("working", { sequences: [sequence] }),
    };
    const leave = () => {
      held.isPassed = true;
    };
    const failed = () => {
      delivery.nak();
      return false;
    };
    const done = this.#isManual ? leave : ack;
    return { event: delivery, done, failed, dropped: release };
  }

  /** What is waiting here goes to others. */
  #forget(): void {
    this.#settlements.lost();
    this.#sink.line.dropWaiting();
  }
}

/** JSON has no undefined, and the contract no null. */
function withDefined(params: { sequences: number[]; delayMs?: number | undefined; reason?: string | undefined }) {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined));
}
