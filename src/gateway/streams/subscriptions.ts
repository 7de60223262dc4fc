import { RpcError, SUBSCRIPTION_DEFAULTS } from "../../../rpc/index.ts";
import type { SubscribeResult, SubscribeStreamParams, SubscriptionClosedNotification } from "../../../rpc/index.ts";
import type { Start } from "../../internal/calls.ts";
import type { CallContext } from "../../methods/context.ts";

import type { FairTurns } from "../../platform/scheduling/fair-turns.ts";
import type { Follower } from "./feed.ts";
import type { Feeds } from "./feeds.ts";
import { notification } from "../notification.ts";
import type { StreamSubscriptionRow } from "../schema.ts";
import type { SessionSocket } from "../attachment.ts";
import type { StreamSubscriptionStore } from "./store.ts";
import { StreamSubscription } from "./subscription.ts";
import type { StoredStreamSubscription } from "./subscription.ts";

/** A page, which is what a client gets before it shows that it reads. */
const TURNLESS_BYTES = 262_144;

/** The gateway as the stream subscriptions of its sockets see it. */
export type StreamSubscriptionsHost = {
  readonly feeds: Feeds;
  readonly store: StreamSubscriptionStore;
  /** The turns of pages that are replayed, among its sockets. */
  readonly replays: FairTurns<SessionSocket>;
  /** Wakes the gateway at a time, to check its sessions' ack deadlines. */
  readonly wakeBy: (atMs: number) => void;
};

/** One subscription as its feed sees it. */
class SessionFollower implements Follower {
  readonly subscription: StreamSubscription;
  readonly #owner: StreamSubscriptions;
  readonly #socket: SessionSocket;
  /** Whether the client was told the subscription's number: nothing is sent on it before. */
  isAnswered = false;
  /** Why the subscription ended before it was answered. */
  closedBy: SubscriptionClosedNotification["reason"] | undefined;

  constructor(owner: StreamSubscriptions, socket: SessionSocket, subscription: StreamSubscription) {
    this.#owner = owner;
    this.#socket = socket;
    this.subscription = subscription;
  }

  isPaused(): boolean {
    return !this.isAnswered || this.#socket.outgoing.isPaused;
  }

  get pageBytes(): number {
    return this.#socket.outgoing.pageBytes;
  }

  turn(): Promise<boolean> | undefined {
    return this.#owner.turnToReplay();
  }

  moved(): void {
    this.#socket.keepSoon();
  }

  close(reason: SubscriptionClosedNotification["reason"]): void {
    this.#owner.close(this, reason);
  }
}

/** The subscriptions of one socket that have a cursor of their own. */
export class StreamSubscriptions {
  readonly #host: StreamSubscriptionsHost;
  readonly #socket: SessionSocket;
  readonly #followers = new Map<number, SessionFollower>();
  /** What was sent in rounds that are over, since the client was heard: it may still be unread. */
  #repeatedBytes = 0;
  #isClosed = false;

  constructor(host: StreamSubscriptionsHost, socket: SessionSocket) {
    this.#host = host;
    this.#socket = socket;
  }

  get count(): number {
    return this.#followers.size;
  }

  /** Text of messages that were sent and are not acked, on all of them, and of those that are sent again, once more. */
  get unackedBytes(): number {
    let bytes = this.#repeatedBytes;
    for (const { subscription } of this.#followers.values()) {
      bytes += subscription.unackedBytes;
    }
    return bytes;
  }

  /** The client has acked something, so it has read what was sent before. */
  heard(): void {
    this.#repeatedBytes = 0;
  }

  /** The turn of a page for one of them. Who has little unacked waits for none: thousands may have missed a few messages. */
  turnToReplay(): Promise<boolean> | undefined {
    return this.unackedBytes < TURNLESS_BYTES ? undefined : this.#host.replays.take(this.#socket);
  }

  /** The socket is paused no more: serves the subscriptions that are behind. */
  resume(): void {
    for (const follower of this.#followers.values()) {
      this.#host.feeds.serve(follower);
    }
  }

  toStored(): StoredStreamSubscription[] {
    return Array.from(this.#followers.values(), (follower) =>
      follower.subscription.toStored(this.#host.feeds.isBehind(follower)),
    );
  }

  /** Restores the subscriptions after an eviction. @param stored Their positions, from the attachment. */
  restore(stored: readonly StoredStreamSubscription[]): void {
    const positions = new Map(stored.map((subscription) => [subscription[0], subscription]));
    for (const row of positions.size === 0 ? [] : this.#host.store.of(this.#socket.key)) {
      const position = positions.get(row.subscription);
      if (position !== undefined) {
        this.#restore(row, position);
      }
    }
  }

  /** When the next ack is overdue; undefined while nothing is in flight. */
  get deadlineAt(): number | undefined {
    const deadlines = Array.from(this.#followers.values(), ({ subscription }) => subscription.deadlineAt ?? Infinity);
    const nextAt = Math.min(...deadlines);
    return nextAt === Infinity ? undefined : nextAt;
  }

  /** Looks for overdue acks: sends again from the ack floor, or ends the subscription. */
  expire(nowMs: number): void {
    let may: boolean | undefined;
    // All of them go back, or none.
    const mayRepeat = () => (may ??= this.#socket.mayRepeat());
    for (const follower of this.#followers.values()) {
      const { subscription } = follower;
      const { unackedBytes } = subscription;
      const overdue = subscription.expire(nowMs, mayRepeat);
      if (overdue === "close") {
        this.close(follower, "ackTimeout");
      } else if (overdue === "goBack") {
        this.#repeatedBytes += unackedBytes;
        this.#host.store.setRounds(this.#socket.key, subscription.spec.id, subscription.rounds);
        this.#socket.keepSoon();
        this.#host.feeds.serve(follower);
      } else if (subscription.deadlineAt !== undefined) {
        this.#host.wakeBy(subscription.deadlineAt);
      }
    }
  }

  /** Follows a stream; messages flow once the answer is sent. */
  async subscribe(params: SubscribeStreamParams, context: CallContext): Promise<SubscribeResult> {
    const { stream, from = "first", epoch } = params;
    let follower: SessionFollower | undefined;
    const start = await this.#host.feeds.open(stream, { from, epoch }, (begin) => {
      follower = this.#follow(params, begin);
      return follower;
    });
    return this.#begin(follower, start, context);
  }

  /** NotFound when there is no such subscription. */
  unsubscribe(subscription: number): void {
    this.#remove(this.get(subscription));
  }

  /** NotFound when there is no such subscription, Conflict for messages that were never sent on it. */
  ack(id: number, through: number): void {
    const follower = this.get(id);
    const { subscription } = follower;
    const { unackedBytes } = subscription;
    if (!subscription.ack(through, Date.now())) {
      const highest = subscription.highest;
      throw new RpcError("Conflict", "that message was never sent on this subscription", { lastSequence: highest });
    }
    this.#socket.outgoing.acked(unackedBytes - subscription.unackedBytes);
    this.#socket.keepSoon();
    this.#host.feeds.serve(follower);
  }

  /** Ends those that the caller may not have any more. */
  endForbidden(): void {
    for (const follower of this.#followers.values()) {
      if (this.#refusalOf(follower) !== undefined) {
        this.close(follower, "forbidden");
      }
    }
  }

  /** Ends one subscription and tells the client why. */
  close(follower: SessionFollower, reason: SubscriptionClosedNotification["reason"]): void {
    const subscription = follower.subscription.spec.id;
    this.#remove(follower);
    if (follower.isAnswered) {
      this.#socket.send(notification("subscriptionClosed", { subscription, reason }));
    } else {
      follower.closedBy = reason;
    }
  }

  /** The socket is closed. */
  closed(): void {
    this.#isClosed = true;
    this.#host.replays.forget(this.#socket);
    for (const follower of this.#followers.values()) {
      this.#host.feeds.remove(follower);
    }
    if (this.#followers.size > 0) {
      this.#host.store.removeSocket(this.#socket.key);
    }
    this.#followers.clear();
  }

  /** NotFound when there is no such subscription. */
  get(subscription: number): SessionFollower {
    const follower = this.#followers.get(subscription);
    if (follower === undefined) {
      throw new RpcError("NotFound", "no such subscription on this socket", { what: "subscription" });
    }
    return follower;
  }

  /** Makes the subscription at the start that its stream told. It sends nothing before its answer is sent. */
  #follow(params: SubscribeStreamParams, start: Start): SessionFollower {
    const spec = {
      id: this.#socket.nextSubscription(),
      stream: params.stream,
      name: this.#socket.callersName(params.stream),
      epoch: start.epoch,
      filter: params.filter,
      maxInFlight: params.maxInFlight ?? SUBSCRIPTION_DEFAULTS.maxInFlight,
      ackWaitMs: params.ackWaitMs ?? SUBSCRIPTION_DEFAULTS.ackWaitMs,
      maxDeliver: params.maxDeliver ?? SUBSCRIPTION_DEFAULTS.maxDeliver,
    };
    const before = { sequence: start.nextSequence - 1, publishedAt: start.previousPublishedAt ?? 0 };
    const position = { ...before, notBefore: start.notBefore };
    const subscription = new StreamSubscription(spec, position, (frame) => this.#socket.send(frame));
    return new SessionFollower(this, this.#socket, subscription);
  }

  #begin(follower: SessionFollower | undefined, start: Start, context: CallContext): SubscribeResult {
    if (follower === undefined) {
      throw new Error("a stream was opened without its follower");
    }
    const { spec } = follower.subscription;
    const refusal = this.#refusalOf(follower);
    if (refusal !== undefined || this.#isClosed) {
      this.#host.feeds.remove(follower);
    }
    if (refusal !== undefined) {
      // The rights of the caller have shrunk while the stream was asked.
      throw refusal;
    }
    if (!this.#isClosed) {
      this.#followers.set(spec.id, follower);
      this.#host.store.add(this.#socket.key, spec);
      this.#socket.keepSoon();
      context.afterAnswer.push(() => {
        follower.isAnswered = true;
        if (follower.closedBy === undefined) {
          this.#host.feeds.serve(follower);
        } else {
          this.close(follower, follower.closedBy);
        }
      });
    }
    return { subscription: spec.id, stream: spec.stream, ...start };
  }

  #refusalOf({ subscription: { spec } }: SessionFollower): RpcError | undefined {
    return this.#socket.refusalOf({ stream: spec.name, filter: spec.filter });
  }

  #restore(row: StreamSubscriptionRow, position: StoredStreamSubscription): void {
    const spec = {
      id: row.subscription,
      stream: row.stream,
      name: this.#socket.callersName(row.stream),
      epoch: row.epoch,
      filter: row.filter ?? undefined,
      maxInFlight: row.max_in_flight,
      ackWaitMs: row.ack_wait_ms,
      maxDeliver: row.max_deliver,
    };
    // Written by setRounds().
    const rounds: number[] = JSON.parse(row.rounds);
    const [, , , isBehind] = position;
    const send = (frame: string) => this.#socket.send(frame);
    const follower = new SessionFollower(
      this,
      this.#socket,
      StreamSubscription.restore(spec, position, { rounds, send }),
    );
    follower.isAnswered = true;
    this.#followers.set(spec.id, follower);
    this.#host.feeds.add(follower);
    if (isBehind === 1) {
      // A replay was interrupted.
      this.#host.feeds.serve(follower);
    }
  }

  #remove(follower: SessionFollower): void {
    const { id } = follower.subscription.spec;
    this.#followers.delete(id);
    this.#host.feeds.remove(follower);
    this.#host.store.remove(this.#socket.key, id);
    this.#socket.keep(undefined);
  }
}
