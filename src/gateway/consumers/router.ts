import type { SubscriptionClosedNotification } from "../../../rpc/index.ts";
import type {
  AckCommand,
  ConsumerPush,
  ConsumerPushReply,
  JoinCall,
  JoinReply,
} from "../../internal/consumer-calls.ts";
import type { StreamEnd } from "../../internal/epoch.ts";
import type { BatcherHost } from "../../platform/scheduling/batcher.ts";

import type { ConsumerSubscription } from "./subscription.ts";
import { AckBatcher } from "./ack-batcher.ts";
import type { StreamEpoch } from "./ack-batcher.ts";
import { joinConsumers } from "./join.ts";
import { Rounds } from "../rounds.ts";

/** Subscriptions that join consumers of a stream by one call, and twice as long as each takes. */
const ROUND = { size: 16, eachMs: 0.6 };

/** A subscription as the router sees it. */
export type Route = {
  readonly subscription: ConsumerSubscription;
  /** Whether the socket is sent no messages now. The stream is told, and keeps them until it is asked again. */
  refuses(size: number): boolean;
  /** Its position moved: keep it. */
  moved(): void;
  /** The subscription is over. */
  close(reason: SubscriptionClosedNotification["reason"]): void;
};

/**
 * Routes between streams and the subscriptions of this gateway that share consumers: deliveries to the subscription that
 * each names as its holder, ack commands back to the stream.
 */
export class ConsumerRouter {
  readonly #host: BatcherHost;
  readonly #routes = new Map<string, Route>();
  /** The holders of those that have left, until their streams know it, and what they acked before. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #batchers = new Map<string, AckBatcher>();
  readonly #joins: Rounds<JoinCall, JoinReply>;

  constructor(host: BatcherHost) {
    this.#host = host;
    this.#joins = new Rounds({ ...ROUND, ask: (stream, calls) => joinConsumers(host.env, stream, calls) });
  }

  /** Whether any consumer is shared here. */
  get areShared(): boolean {
    return this.#routes.size > 0;
  }

  add(route: Route): void {
    this.#routes.set(route.subscription.spec.holder, route);
  }

  /** Has a subscription join its consumer when it has its turn. */
  join(stream: string, call: JoinCall): Promise<JoinReply> {
    return this.#joins.add(stream, call);
  }

  /**
   * Removes a subscription; its stream gives what it holds to others.
   *
   * @param isLost Whether its client failed, perhaps because of what it holds, rather than left in order.
   */
  remove({ spec: { stream, holder }, epoch }: ConsumerSubscription, { isLost }: { isLost: boolean }): void {
    this.#routes.delete(holder);
    if (epoch !== undefined) {
      this.release({ stream, epoch }, { holder, isLost });
    }
  }

  /** Tells a stream that a subscription is over. */
  release(of: StreamEpoch, over: { holder: string; isLost: boolean }): void {
    this.#leaving.set(over.holder, this.#release(of, over));
  }

  /** Sends an ack command to a stream; done when it is stored. */
  applyAck(of: StreamEpoch, command: AckCommand): Promise<void> {
    const key = `${of.stream}/${of.epoch}`;
    let batcher = this.#batchers.get(key);
    if (batcher === undefined) {
      batcher = new AckBatcher(this.#host, of, {
        seenBy: (holder) => this.#routes.get(holder)?.subscription.seen ?? [],
        onConfirmed: (holder, seen) => this.#routes.get(holder)?.subscription.confirmed(seen),
        onUnknown: (holders) => this.end(holders, "consumerDeleted"),
        onStreamEnded: ({ stream, epoch }, reason) => this.streamEnded(stream, epoch, reason),
        onIdle: () => this.#batchers.delete(key),
      });
      this.#batchers.set(key, batcher);
    }
    return batcher.add(command);
  }

  /**
   * Passes deliveries on to their subscriptions.
   *
   * @returns What was not sent.
   */
  deliver({ batches, takesFull }: ConsumerPush): ConsumerPushReply | Promise<ConsumerPushReply> {
    const unknown = new Set<string>();
    const full: number[] = [];
    for (const [index, batch] of batches.entries()) {
      const route = this.#routes.get(batch.holder);
      if (route === undefined) {
        unknown.add(batch.holder);
      } else if (takesFull === true && route.refuses(batch.text.length)) {
        full.push(index);
      } else {
        route.subscription.deliver(batch);
        route.moved();
      }
    }
    if (full.length > 0) {
      // At once, though others may be leaving: a full socket asks again soon, and its stream is to know by then that it is full.
      return { unknown: [...unknown], full };
    }
    return this.#hasLeaving(unknown) ? this.#afterLeaving(unknown) : [...unknown];
  }

  /** Which of these holders are no subscription here. */
  unknown(holders: readonly string[]): string[] | Promise<string[]> {
    const unknown = holders.filter((holder) => !this.#routes.has(holder));
    return this.#hasLeaving(unknown) ? this.#afterLeaving(unknown) : unknown;
  }

  /** Ends subscriptions, and tells their clients why. */
  end(holders: readonly string[], reason: SubscriptionClosedNotification["reason"]): void {
    for (const holder of holders) {
      const route = this.#routes.get(holder);
      this.#routes.delete(holder);
      route?.close(reason);
    }
  }

  /**
   * Asks every stream whether it knows its subscriptions here. The call that said that they are over may have been lost;
   * a client that only waits for messages sends nothing that would show it.
   */
  async check(): Promise<void> {
    const asked: Promise<void>[] = [];
    for (const { subscription } of this.#routes.values()) {
      const { epoch, spec } = subscription;
      if (epoch !== undefined) {
        asked.push(this.ask({ stream: spec.stream, epoch }, spec.holder));
      }
    }
    // A stream that does not answer is asked again at the next check.
    await Promise.allSettled(asked);
  }

  /**
   * Asks a stream whether it knows a subscription: one that it does not know is ended by the answer, and one that was
   * sent nothing because its socket was full is sent to again.
   */
  ask(of: StreamEpoch, holder: string): Promise<void> {
    return this.applyAck(of, { kind: "working", holder, sequences: [] });
  }

  /** An epoch of a stream is over. */
  streamEnded(stream: string, epoch: string, reason: StreamEnd): void {
    const over = [...this.#routes.values()]
      .map(({ subscription }) => subscription)
      .filter((subscription) => subscription.spec.stream === stream && subscription.epochEnded(epoch, reason));
    this.end(
      over.map(({ spec }) => spec.holder),
      reason,
    );
  }

  async #release(of: StreamEpoch, over: { holder: string; isLost: boolean }): Promise<void> {
    try {
      await this.applyAck(of, { kind: "release", ...over });
    } catch {
      // Safe: a stream that was not told learns it by its next push, or redelivers at the ack deadline.
    }
    this.#leaving.delete(over.holder);
  }

  #hasLeaving(unknown: Iterable<string>): boolean {
    return this.#leaving.size > 0 && [...unknown].some((holder) => this.#leaving.has(holder));
  }

  /** A stream that hears that a holder is unknown forgets it: what it acked before it left would be refused, and delivered again. */
  async #afterLeaving(unknown: Iterable<string>): Promise<string[]> {
    const holders = [...unknown];
    await Promise.all(holders.flatMap((holder) => this.#leaving.get(holder) ?? []));
    return holders;
  }
}
