import type { From } from "../../../rpc/index.ts";
import type { Push, Start } from "../../internal/calls.ts";
import type { StreamEnd } from "../../internal/epoch.ts";
import { logError } from "../../platform/log.ts";
import { callStream } from "../../platform/call-object.ts";

import { Feed } from "./feed.ts";
import type { Follower } from "./feed.ts";

/** Between the last push and the check for a lost one lie one to two of these: less than the 10 s promised. */
const CHECK_MS = 4_000;

/** Leases are to be looked at this often; twice this is well within one. */
export const RENEW_MS = 1_500_000;

/** What the feeds need of their gateway. */
export type FeedsHost = {
  readonly env: Env;
  readonly gateway: string;
  /** Wakes the gateway at a time, to call {@link Feeds.checkActive}. */
  readonly wakeBy: (atMs: number) => void;
};

/**
 * A stream of which subscriptions are being made, and what came of it meanwhile: the answers to them may come after
 * what followed, and in any order.
 */
type Opening = {
  subscriptions: number;
  /** How far the pushes of each life went. */
  readonly pushed: Map<string, number>;
  /** The epochs that are over, and why. */
  readonly over: Map<string, StreamEnd>;
};

/**
 * The streams this gateway follows, one feed for each life of each. Interest is registered with the stream before its
 * log is read, so what is committed in between is pushed, or found by the check.
 *
 * Which of two lives is the later one can not be told by the order in which they are heard of: only the stream knows.
 */
export class Feeds {
  readonly #host: FeedsHost;
  /** By stream and epoch. */
  readonly #feeds = new Map<string, Map<string, Feed>>();
  readonly #openings = new Map<string, Opening>();

  constructor(host: FeedsHost) {
    this.#host = host;
  }

  /**
   * Registers interest in a stream and begins to follow it.
   *
   * @param follow Makes the follower from where it starts; it runs before anything else can reach this gateway.
   */
  async open(
    stream: string,
    at: { from: From; epoch: string | undefined },
    follow: (start: Start) => Follower,
  ): Promise<Start> {
    const opening = this.#openings.get(stream) ?? { subscriptions: 0, pushed: new Map(), over: new Map() };
    this.#openings.set(stream, opening);
    opening.subscriptions += 1;
    try {
      // A stream of a known epoch is there: only without one it may be made.
      const kind = at.epoch === undefined ? "repeats" : "reads";
      const start = await callStream(this.#host.env, stream, kind, (stub) =>
        stub.follow(stream, this.#host.gateway, at.from, at.epoch),
      );
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

  /** Takes a follower to the feed of its life of the stream. Where another life is followed too, one of them is over. */
  add(follower: Follower): Feed {
    const { stream, epoch } = follower.subscription.spec;
    const lives = this.#feeds.get(stream) ?? new Map<string, Feed>();
    this.#feeds.set(stream, lives);
    let feed = lives.get(epoch);
    if (feed === undefined) {
      const { env, gateway, wakeBy } = this.#host;
      const onActive = () => wakeBy(Date.now() + CHECK_MS);
      const made = new Feed({ env, gateway, onActive, onDoubt: () => void this.#check(made) }, { stream, epoch });
      feed = made;
      lives.set(epoch, feed);
      if (lives.size > 1) {
        lives.forEach((life) => void this.#check(life));
      }
    }
    feed.add(follower);
    return feed;
  }

  /** Whether any stream is followed here. */
  get areFollowed(): boolean {
    return this.#feeds.size > 0;
  }

  /** Whether a follower has not come up to what is known of its stream's log. */
  isBehind(follower: Follower): boolean {
    return this.#feedOf(follower)?.isBehind(follower) ?? false;
  }

  /** Sends what a follower has room for, if it is behind. */
  serve(follower: Follower): void {
    this.#feedOf(follower)?.serve(follower);
  }

  remove(follower: Follower): void {
    const { stream, epoch } = follower.subscription.spec;
    const lives = this.#feeds.get(stream);
    const feed = lives?.get(epoch);
    feed?.remove(follower);
    // The stream's lease is left to end: the next push is answered with "nobody here".
    if (feed?.isFollowed === false) {
      lives?.delete(epoch);
    }
    if (lives?.size === 0) {
      this.#feeds.delete(stream);
    }
  }

  /**
   * Takes a push.
   *
   * @returns Whether anybody here follows that life of the stream, or may be about to.
   */
  deliver(push: Push): boolean {
    const { stream, epoch, last } = push;
    const opening = this.#openings.get(stream);
    opening?.pushed.set(epoch, Math.max(last, opening.pushed.get(epoch) ?? 0));
    const lives = this.#feeds.get(stream);
    const feed = lives?.get(epoch);
    if (feed === undefined) {
      // The push may be of a later life than those followed or, held up on its way, of an earlier one.
      lives?.forEach((life) => void this.#check(life));
      return opening !== undefined;
    }
    feed.deliver(push, Date.now());
    return true;
  }

  /** A publisher of this gateway learned how far a stream's log goes; its push should come now. */
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
   * Checks the feeds that were active, each once no push of it has come for a while: the last one may have been lost.
   * It goes by the gateway's alarm and not by a timer, which would keep the gateway from sleeping.
   *
   * @returns Done when every stream has answered; who waits for that lets one that does not hold up all others.
   */
  async checkActive(nowMs: number): Promise<void> {
    const active = this.#all().filter((feed) => feed.activeSinceMs !== undefined);
    const due = active.filter((feed) => (feed.activeSinceMs ?? nowMs) <= nowMs - CHECK_MS);
    if (due.length < active.length) {
      // One that was pushed to lately waits its turn.
      this.#host.wakeBy(Date.now() + CHECK_MS);
    }
    await Promise.all(due.map((feed) => this.#check(feed)));
  }

  #feedOf({ subscription: { spec } }: Follower): Feed | undefined {
    return this.#feeds.get(spec.stream)?.get(spec.epoch);
  }

  #all(): Feed[] {
    return [...this.#feeds.values()].flatMap((lives) => [...lives.values()]);
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
