import type { From } from "../../../rpc/index.ts";
import type { Push, Start } from "../../internal/calls.ts";
import type { StreamEnd } from "../../internal/epoch.ts";
import { logError } from "../../platform/log.ts";
import { callStream } from "../../platform/call-object.ts";
import { waitMs } from "../../platform/settings.ts";

import { Rounds } from "../rounds.ts";
import { Feed } from "./feed.ts";
import type { Follower } from "./feed.ts";

/** A lost push is looked for one to two of these after the last one: sooner than the 10 s promised. */
export const CHECK_MS = 4_000;

/** Milliseconds between renewals of leases. A stream extends a lease in its second half only, so two of these are less than one. */
export const RENEW_MS = 1_500_000;

/** Followers of a stream that begin together, and twice as long as each takes. */
const ROUND = { size: 16, eachMs: 0.3 };

/** What the feeds need of their gateway. */
export type FeedsHost = {
  readonly env: Env;
  readonly gateway: string;
  /** Wakes the gateway at a time, to call {@link Feeds.checkActive}. */
  readonly wakeBy: (atMs: number) => void;
};

/** Where a subscription is to start, and in which epoch. */
type StartingPoint = { readonly from: From; readonly epoch: string | undefined };

/**
 * A stream that is being subscribed to, and what it has sent meanwhile: that may overtake its answers to the
 * subscriptions, which come in any order.
 */
type Opening = {
  subscriptions: number;
  /** The last sequence pushed, by epoch. */
  readonly pushed: Map<string, number>;
  /** The epochs that are over, and why. */
  readonly over: Map<string, StreamEnd>;
};

/**
 * The streams this gateway follows, one feed for each epoch of each. Interest is registered with the stream before its
 * log is read, so what is committed in between is pushed, or found by the check.
 *
 * Which of two epochs is the later one can not be told by the order in which they are heard of: only the stream knows.
 */
export class Feeds {
  readonly #host: FeedsHost;
  /** By stream and epoch. */
  readonly #feeds = new Map<string, Map<string, Feed>>();
  readonly #openings = new Map<string, Opening>();
  readonly #starts = new Rounds<StartingPoint, Start>({ ...ROUND, ask: (stream, points) => this.#ask(stream, points) });

  constructor(host: FeedsHost) {
    this.#host = host;
  }

  /**
   * Registers interest in a stream and begins to follow it.
   *
   * @param follow Makes the follower from where it starts; it runs before anything else can reach this gateway.
   */
  async open(stream: string, at: StartingPoint, follow: (start: Start) => Follower): Promise<Start> {
    const opening = this.#openings.get(stream) ?? { subscriptions: 0, pushed: new Map(), over: new Map() };
    this.#openings.set(stream, opening);
    opening.subscriptions += 1;
    try {
      const start = await this.#starts.add(stream, at);
      const feed = this.add(follow(start));
      feed.advance(Math.max(start.lastSequence, opening.pushed.get(start.epoch) ?? 0));
      this.#host.wakeBy(Date.now() + RENEW_MS);
      const over = opening.over.get(start.epoch);
      if (over !== undefined) {
        feed.end(over);
      }
      return start;
    } finally {
      opening.subscriptions -= 1;
      if (opening.subscriptions === 0) {
        this.#openings.delete(stream);
      }
    }
  }

  /** Adds a follower to the feed of its epoch. Where another epoch of the stream is followed too, one of them is over. */
  add(follower: Follower): Feed {
    const { stream, epoch } = follower.subscription.spec;
    const byEpoch = this.#feeds.get(stream) ?? new Map<string, Feed>();
    this.#feeds.set(stream, byEpoch);
    let feed = byEpoch.get(epoch);
    if (feed === undefined) {
      const { env, gateway, wakeBy } = this.#host;
      const onActive = () => wakeBy(Date.now() + checkMs());
      const made = new Feed({ env, gateway, onActive, onDoubt: () => void this.#check(made) }, { stream, epoch });
      feed = made;
      byEpoch.set(epoch, feed);
      if (byEpoch.size > 1) {
        byEpoch.forEach((other) => void this.#check(other));
      }
    }
    feed.add(follower);
    return feed;
  }

  /** Whether any stream is followed here. */
  get areFollowed(): boolean {
    return this.#feeds.size > 0;
  }

  /** Whether a follower is behind what is known of its stream's log. */
  isBehind(follower: Follower): boolean {
    return this.#feedOf(follower)?.isBehind(follower) ?? false;
  }

  /** Reads the log for a follower that is behind and has room. */
  serve(follower: Follower): void {
    this.#feedOf(follower)?.serve(follower);
  }

  remove(follower: Follower): void {
    const { stream, epoch } = follower.subscription.spec;
    const byEpoch = this.#feeds.get(stream);
    const feed = byEpoch?.get(epoch);
    feed?.remove(follower);
    // The lease is left to expire: the next push is answered with "nobody here".
    if (feed?.isFollowed === false) {
      byEpoch?.delete(epoch);
    }
    if (byEpoch?.size === 0) {
      this.#feeds.delete(stream);
    }
  }

  /**
   * Takes a push.
   *
   * @returns Whether anybody here follows that epoch of the stream, or may be about to.
   */
  deliver(push: Push): boolean {
    const { stream, epoch, last } = push;
    const opening = this.#openings.get(stream);
    opening?.pushed.set(epoch, Math.max(last, opening.pushed.get(epoch) ?? 0));
    const byEpoch = this.#feeds.get(stream);
    const feed = byEpoch?.get(epoch);
    if (feed === undefined) {
      // The push may be of a later epoch than those followed or, delayed on its way, of an earlier one.
      byEpoch?.forEach((other) => void this.#check(other));
      return opening !== undefined;
    }
    feed.deliver(push, Date.now());
    return true;
  }

  /** A publish through this gateway told how far a stream's log goes; its push should come now. */
  note(stream: string, published: { epoch: string; lastSequence: number }): void {
    this.#feeds.get(stream)?.get(published.epoch)?.note(published.lastSequence);
  }

  /** An epoch of a stream is over. */
  streamEnded(stream: string, epoch: string, reason: StreamEnd): void {
    this.#openings.get(stream)?.over.set(epoch, reason);
    this.#feeds.get(stream)?.get(epoch)?.end(reason);
  }

  /** Asks every stream how far its log goes, which renews this gateway's leases. */
  async renew(): Promise<void> {
    await Promise.all(this.#all().map((feed) => this.#check(feed)));
  }

  /**
   * Checks each active feed to which no push has come for a while: the last one may have been lost. The gateway's alarm
   * calls it, not a timer, which would keep the gateway from sleeping.
   *
   * @returns When every stream has answered or failed. Do not wait for it: one that is slow would hold up the others.
   */
  async checkActive(nowMs: number): Promise<void> {
    const active = this.#all().filter((feed) => feed.activeSinceMs !== undefined);
    const due = active.filter((feed) => (feed.activeSinceMs ?? nowMs) <= nowMs - checkMs());
    if (due.length < active.length) {
      // Those pushed to lately are checked later.
      this.#host.wakeBy(Date.now() + checkMs());
    }
    await Promise.all(due.map((feed) => this.#check(feed)));
  }

  /** Asks a stream to begin to push, once for all that start at the same point. */
  #ask(stream: string, points: readonly StartingPoint[]): Promise<Start>[] {
    const { env, gateway } = this.#host;
    const starts = new Map<string, Promise<Start>>();
    return points.map((at) => {
      const key = JSON.stringify(at);
      // A stream of a known epoch is there: only without one it may be made.
      const kind = at.epoch === undefined ? "repeats" : "reads";
      const start =
        starts.get(key) ?? callStream(env, stream, kind, (stub) => stub.follow(stream, gateway, at.from, at.epoch));
      starts.set(key, start);
      return start;
    });
  }

  #feedOf({ subscription: { spec } }: Follower): Feed | undefined {
    return this.#feeds.get(spec.stream)?.get(spec.epoch);
  }

  #all(): Feed[] {
    return [...this.#feeds.values()].flatMap((byEpoch) => [...byEpoch.values()]);
  }

  async #check(feed: Feed): Promise<void> {
    try {
      await feed.check();
    } catch (error) {
      // The feed has itself checked again.
      logError("a check for lost pushes failed", error, { stream: feed.stream });
    }
  }
}

/** How long after the last push it is checked, in ms: {@link CHECK_MS} but in tests. */
export function checkMs(): number {
  return waitMs("PUSH_CHECK_MS", CHECK_MS);
}
