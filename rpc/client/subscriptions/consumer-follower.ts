import type { ErrorData } from "../../protocol/errors.ts";
import type { DeliveredMessage } from "../../schemas/message.ts";
import type { NotificationParams } from "../../methods/notifications.ts";
import { SUBSCRIPTION_DEFAULTS } from "../../protocol/protocol.ts";
import type { SubscribeConsumerParams, SubscribeResult } from "../../schemas/subscription.ts";

import { DurableStreamError } from "../error.ts";
import type { EventOwner } from "./event-queue.ts";
import type { ConsumerDelivery } from "./events.ts";
import { Follower } from "./follower.ts";
import type { FollowerHost } from "./follower.ts";
import { checkDelay, checkReason, reasonOf } from "./ack-command-params.ts";
import { ConsumerAcks } from "./consumer-acks.ts";
import { SchemaError } from "./schema.ts";
import type { SubscriptionSink } from "./subscription.ts";

/** A delivered message that the reader has. */
type Held = {
  /** With manual acks: the reader asked for the next one and has not settled this one. */
  isPassed: boolean;
  readonly delivery: ConsumerDelivery;
  /** The server subscription that delivered it last. */
  of: SubscribeResult;
};

/**
 * Takes a share of a consumer. When its socket is lost, the server redelivers what was not settled to other subscriptions.
 * So queued messages are dropped here. The one in the handler is finished, acked or termed on the next socket, and not
 * given to the handler a second time meanwhile.
 */
export class ConsumerFollower extends Follower {
  readonly #params: SubscribeConsumerParams;
  readonly #sink: SubscriptionSink<ConsumerDelivery>;
  readonly #acks: ConsumerAcks;
  /** Delivered and not settled, by sequence. */
  readonly #held = new Map<number, Held>();
  readonly #owner: EventOwner<ConsumerDelivery>;
  /** The answer to the last `subscribe`: another object for each server subscription. */
  #answer: SubscribeResult | undefined;
  /** By which a stream that was restored to an earlier state is told from the one that it was. */
  #newest: SubscribeConsumerParams["seen"];
  /** The last sequence that was sent on this server subscription; 0 at its start. */
  #previous = 0;

  constructor(
    host: FollowerHost,
    params: SubscribeConsumerParams,
    reading: { isManual: boolean; sink: SubscriptionSink<ConsumerDelivery> },
  ) {
    super(host, reading.sink);
    this.#params = params;
    this.#sink = reading.sink;
    this.#owner = {
      done: (delivery) => (reading.isManual ? this.#leave(delivery) : delivery.ack()),
      failed: (delivery, error) => {
        // Data that was refused would be refused again.
        if (error instanceof SchemaError) {
          delivery.term(reasonOf(error));
        } else {
          delivery.nak();
        }
        return false;
      },
      dropped: (delivery) => this.#release(delivery),
    };
    this.#acks = new ConsumerAcks(host, params.maxInFlight ?? SUBSCRIPTION_DEFAULTS.maxInFlight);
  }

  override receive({ previous, messages }: NotificationParams<"messages">): void {
    const answer = this.#answer;
    if (answer === undefined) {
      return;
    }
    if (previous !== this.#previous) {
      // A notification was lost: a new server subscription gets its messages again.
      this.resubscribe();
      return;
    }
    const last = messages.at(-1);
    this.#previous = last?.sequence ?? previous;
    if (last !== undefined && last.sequence > (this.#newest?.sequence ?? 0)) {
      this.#newest = { sequence: last.sequence, publishedAt: last.publishedAt };
    }
    const fresh: ConsumerDelivery[] = [];
    for (const message of messages) {
      // A redelivery of a message that the handler still has is dropped, and so is one whose ack or term is on the way.
      const held = this.#held.get(message.sequence);
      if (held !== undefined && held.delivery.publishedAt !== message.publishedAt) {
        // Another message: the stream was put back to an earlier state. No ack of the one before may reach it.
        this.#isOver("EpochChanged", { reason: "restored" });
        return;
      }
      if (held?.isPassed === false) {
        // From now on the handler's nak and working are about this delivery.
        held.of = answer;
      } else if (!this.#acks.has(message.sequence)) {
        fresh.push(this.#hold(message, answer));
      }
    }
    this.#sink.queue.push(fresh, this.#owner);
  }

  override receiveGap(): void {
    // The server sends no gaps for a consumer: `ConsumerInfo.lost` counts them.
  }

  override receiveClosed({ reason }: NotificationParams<"subscriptionClosed">): void {
    if (reason === "forbidden") {
      // The messages went to others. The answer tells what the caller lacks.
      this.subscribe();
    } else if (reason === "streamRestored") {
      this.#isOver("EpochChanged", { reason: "restored" });
    } else {
      this.#isOver("NotFound", { what: "consumer", reason });
    }
  }

  override store(): Promise<void> | undefined {
    return this.#acks.store();
  }

  override end(error?: unknown): void {
    super.end(error);
    this.#acks.forget();
  }

  protected override subscribeParams(): SubscribeConsumerParams {
    return this.#newest === undefined ? this.#params : { ...this.#params, seen: this.#newest };
  }

  protected override begun(answer: SubscribeResult): void {
    this.#previous = 0;
    const { epoch } = this.#answer ?? answer;
    this.#answer = answer;
    if (epoch !== answer.epoch) {
      this.#isOver("EpochChanged", { epoch: answer.epoch });
      return;
    }
    for (const [sequence, { isPassed }] of this.#held) {
      if (isPassed) {
        this.#held.delete(sequence);
      }
    }
    this.#acks.begin(answer.subscription);
    this.#sink.begun(answer);
  }

  protected override refused(error: DurableStreamError): void {
    if (error.name === "Conflict" && this.#newest !== undefined) {
      // The log does not have what was seen: it is another stream of that name, or was restored to an earlier state.
      const { epoch } = error.data;
      this.#isOver(
        "EpochChanged",
        epoch === this.#answer?.epoch ? { reason: "restored" } : { ...(epoch && { epoch }) },
      );
    } else {
      this.end(error);
    }
  }

  protected override flush(): void {
    this.#acks.flush();
  }

  protected override left(): void {
    this.#acks.lost();
    // The server redelivers these to other subscriptions.
    this.#sink.queue.dropWaiting();
  }

  /**
   * Ends it, because the consumer is gone with its epoch. One of the same name in another epoch, or in a restored stream,
   * is another consumer, whose sequences are other messages. So no ack may reach it.
   */
  #isOver(name: "NotFound" | "EpochChanged", data: ErrorData): void {
    this.#acks.forget();
    this.end(new DurableStreamError(name, "the consumer that was subscribed to is gone", { data }));
  }

  /** The reader asked for the next one and has not settled this one. */
  #leave(delivery: ConsumerDelivery): void {
    const held = this.#held.get(delivery.sequence);
    if (held?.delivery === delivery) {
      held.isPassed = true;
    }
  }

  /** It is in hand no more. */
  #release(delivery: ConsumerDelivery): void {
    if (this.#held.get(delivery.sequence)?.delivery === delivery) {
      this.#held.delete(delivery.sequence);
    }
  }

  #hold(message: DeliveredMessage, answer: SubscribeResult): ConsumerDelivery {
    const { sequence, deliveryCount = 1 } = message;
    let isSettled = false;
    /** Only the first of ack, nak and term counts. */
    const settle = (tell: () => void): void => {
      if (!isSettled && !this.isEnded) {
        this.#release(delivery);
        tell();
      }
      isSettled = true;
    };
    /** False once the message was redelivered, here or elsewhere: then this delivery must not nak it. */
    const isStillMine = () => held.of === this.#answer && this.#held.get(sequence) === held;
    const delivery: ConsumerDelivery = {
      ...message,
      type: "message",
      epoch: answer.epoch,
      deliveryCount,
      ack: () => settle(() => this.#acks.ack(sequence, this.#sink.queue.isEmpty)),
      nak: (delayMs) => {
        checkDelay(delayMs);
        const isMine = isStillMine();
        settle(() => isMine && this.notify("nak", { sequences: [sequence], delayMs }));
      },
      term: (reason) => {
        checkReason(reason);
        settle(() => this.#acks.term(sequence, reason));
      },
      working: () => isStillMine() && !isSettled && this.notify("working", { sequences: [sequence] }),
    };
    const held: Held = { isPassed: false, delivery, of: answer };
    this.#held.set(sequence, held);
    return delivery;
  }
}
