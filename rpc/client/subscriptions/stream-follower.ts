import type { Message } from "../../schemas/message.ts";
import type { NotificationParams } from "../../methods/notifications.ts";
import { SUBSCRIPTION_DEFAULTS } from "../../protocol/protocol.ts";
import type { SubscribeResult, SubscribeStreamParams } from "../../schemas/subscription.ts";

import { CumulativeAcks } from "./cumulative-acks.ts";
import { StreamPosition } from "./position.ts";
import { DurableStreamError } from "../error.ts";
import type { EventOwner } from "./event-queue.ts";
import type { Delivery, EpochChange, Gap, StreamEvent } from "./events.ts";
import { Follower } from "./follower.ts";
import type { FollowerHost } from "./follower.ts";
import { SchemaError } from "./schema.ts";
import type { SubscriptionSink } from "./subscription.ts";

/**
 * Follows a stream. On every new socket it subscribes after the last message that is done. It detects missing messages
 * and drops those that were delivered before.
 */
export class StreamFollower extends Follower {
  readonly #params: SubscribeStreamParams;
  readonly #isManual: boolean;
  readonly #endsWithEpoch: boolean;
  readonly #sink: SubscriptionSink<StreamEvent>;
  #position: StreamPosition | undefined;
  #acks: CumulativeAcks | undefined;
  /** Set while a new epoch is to be followed from its first message. The next answer tells its id. */
  #change: EpochChange["reason"] | undefined;

  constructor(
    host: FollowerHost,
    params: SubscribeStreamParams,
    reading: { isManual: boolean; endsWithEpoch: boolean; sink: SubscriptionSink<StreamEvent> },
  ) {
    super(host, reading.sink);
    this.#params = params;
    this.#isManual = reading.isManual;
    this.#endsWithEpoch = reading.endsWithEpoch;
    this.#sink = reading.sink;
  }

  override receive({ previous, messages }: NotificationParams<"messages">, characters: number): void {
    const position = this.#position;
    const fresh = position?.accept(previous, messages);
    if (position === undefined || fresh === undefined) {
      return;
    }
    if (fresh === "broken") {
      this.resubscribe();
      return;
    }
    const events = fresh.map((message) => this.#delivery(position, message));
    this.#sink.queue.push(events, this.#ownerOf(position));
    this.#acks?.received(messages, characters);
  }

  override receiveGap({ from, to, reason }: NotificationParams<"gap">): void {
    this.#miss(from, to, reason);
  }

  override receiveClosed({ reason }: NotificationParams<"subscriptionClosed">): void {
    this.lost();
    if (reason === "consumerDeleted") {
      this.end(new DurableStreamError("NotFound", `the subscription was closed: ${reason}`));
    } else {
      // After an ack timeout it resumes after the last message done. Otherwise the answer tells what the stream is now, or
      // what the caller lacks.
      this.subscribe();
    }
  }

  protected override subscribeParams(): SubscribeStreamParams {
    if (this.#position !== undefined) {
      const from = { ...this.#position.resumeAt, ...this.#time() };
      return { ...this.#params, epoch: this.#position.epoch, from };
    }
    const { epoch: _epoch, ...anew } = this.#params;
    // From sequence 1 rather than "first", so that the answer reports as skipped what the new epoch has lost already.
    return this.#change === undefined ? this.#params : { ...anew, from: { sequence: 1, ...this.#time() } };
  }

  protected override begun(answer: SubscribeResult): void {
    const { epoch, nextSequence, previousPublishedAt, skipped } = answer;
    if (this.#change !== undefined) {
      this.#sink.queue.push([{ type: "epochChanged", epoch, reason: this.#change }], {});
      this.#change = undefined;
    }
    this.#position ??=
      skipped === undefined
        ? new StreamPosition(epoch, nextSequence - 1, previousPublishedAt)
        : new StreamPosition(epoch, skipped.from - 1, undefined);
    const { maxInFlight = SUBSCRIPTION_DEFAULTS.maxInFlight, ackWaitMs = SUBSCRIPTION_DEFAULTS.ackWaitMs } =
      this.#params;
    const at = { done: this.#position.done, acked: nextSequence - 1 };
    this.#acks = new CumulativeAcks({ maxInFlight, ackWaitMs }, at, (through) => this.notify("ack", { through }));
    if (skipped !== undefined) {
      this.#miss(skipped.from, skipped.to, "skipped");
    }
    this.#position.begin(nextSequence);
    this.#sink.begun(answer);
  }

  protected override refused(error: DurableStreamError): void {
    const change = this.#changeOf(error);
    if (change === undefined || this.#endsWithEpoch) {
      this.end(error);
    } else {
      // Queued messages of the old epoch are still delivered, then the change, then the new epoch.
      this.#position = undefined;
      this.#change = change;
      this.subscribe();
    }
  }

  protected override flush(): void {
    this.#acks?.flush();
  }

  protected override left(): void {
    this.#acks?.stop();
    this.#acks = undefined;
  }

  /** The `time` of `from`: after a resume too, nothing is delivered that was published before it. */
  #time(): { time?: number } {
    const { from } = this.#params;
    return typeof from === "object" && "time" in from && from.time !== undefined ? { time: from.time } : {};
  }

  /** What became of the epoch that was followed; undefined when the refusal has another reason. */
  #changeOf({ name, data }: DurableStreamError): EpochChange["reason"] | undefined {
    const isOver = name === "EpochChanged" || name === "NotFound";
    if (this.#position !== undefined && name === "Conflict") {
      // The log ends before the position, or has another message there.
      return "restored";
    }
    if (isOver && (this.#position !== undefined || (this.#params.epoch !== undefined && this.#change === undefined))) {
      // There is a new epoch, or the next `subscribe` makes the stream and starts one.
      return data?.["reason"] === "restored" ? "restored" : "deleted";
    }
    return undefined;
  }

  #delivery(position: StreamPosition, message: Message): Delivery {
    return { ...message, type: "message", epoch: position.epoch, ack: () => this.#finish(position, message) };
  }

  /** Takes note of what is done and acked of the events of a position. */
  #ownerOf(position: StreamPosition): EventOwner<StreamEvent> {
    const done = (event: StreamEvent) => {
      if (event.type === "message") {
        this.#finish(position, event);
      } else if (event.type === "gap") {
        position.finish(event.to);
      }
    };
    // It is not handled again when it was acked before the handler failed, nor when its data would be refused again.
    const failed = (event: StreamEvent, error: unknown) =>
      event.type !== "message" || (event.sequence > position.done && !(error instanceof SchemaError));
    return { done: this.#isManual ? undefined : done, failed };
  }

  #miss(from: number, to: number, reason: Gap["reason"]): void {
    const position = this.#position;
    const missing = position?.miss(from, to);
    if (position !== undefined && missing !== undefined) {
      this.#sink.queue.push([{ type: "gap", ...missing, reason }], this.#ownerOf(position));
    }
  }

  #finish(position: StreamPosition, { sequence, publishedAt }: Message): void {
    if (sequence > position.done) {
      position.finish(sequence, publishedAt);
      if (position === this.#position) {
        this.#acks?.finish(sequence);
      }
    }
  }
}
