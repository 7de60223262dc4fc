import type { From } from "../../rpc/index.ts";
import type { Push, Start } from "../calls.ts";
import { logError } from "../log.ts";
import { callStream } from "../stream-calls.ts";

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

/** A stream whose first subscription here is being made, and how far its pushes went meanwhile. */
type Opening = { subscriptions: number; push: Pick<Push, "epoch" | "last"> | undefined };

/**
 * The streams this gateway follows, one feed each. Interest is registered with the stream before its log is read, so
 * what is committed in between is pushed, or found by the check.
 */
export class Feeds {
  readonly #host: FeedsHost;
  readonly #feeds = new Map<string, Feed>();
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
    const opening = this.#openings.get(stream) ?? { subscriptions: 0, push: undefined };
    this.#openings.set(stream, opening);
    opening.subscriptions += 1;
    try {
      const start = await callStream(this.#host.env, stream, "reads", (stub) =>
        stub.follow(stream, this.#host.gateway, at.from, at.epoch),
      );
      const pushed = opening.push?.epoch === start.epoch ? opening.push.last : 0;
      this.add(follow(start)).advance(Math.max(start.lastSequence, pushed));
      this.#host.wakeBy(Date.now() + RENEW_MS);
      return start;
    } finally {
      opening.subscriptions -= 1;
      if (opening.subscriptions === 0) {
        this.#openings.delete(stream);
      }
    }
  }

  /** Takes a follower to its stream's feed. Those of an earlier life of the stream are told that it is over. */
  add(follower: Follower): Feed {
    const { stream, epoch } = follower.subscription.spec;
    let feed = this.#feeds.get(stream);
    if (feed !== undefined && feed.epoch !== epoch) {
      feed.end();
      feed = undefined;
    }
    if (feed === undefined) {
      const { env, gateway, wakeBy } = this.#host;
      feed = new Feed({ env, gateway, onActive: () => wakeBy(Date.now() + CHECK_MS) }, { stream, epoch });
      this.#feeds.set(stream, feed);
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
    return this.#feeds.get(follower.subscription.spec.stream)?.isBehind(follower) ?? false;
  }

  /** Sends what a follower has room for, if it is behind. */
  serve(follower: Follower): void {
    this.#feeds.get(follower.subscription.spec.stream)?.serve(follower);
  }

  remove(follower: Follower): void {
    const { stream } = follower.subscription.spec;
    const feed = this.#feeds.get(stream);
    feed?.remove(follower);
    // The stream's lease is left to end: the next push is answered with "nobody here".
    if (feed?.isFollowed === false) {
      this.#feeds.delete(stream);
    }
  }

  /**
   * Takes a push.
   *
   * @returns Whether anybody here follows the stream.
   */
  deliver(push: Push): boolean {
    const opening = this.#openings.get(push.stream);
    if (opening !== undefined) {
      opening.push = push;
    }
    const feed = this.#feeds.get(push.stream);
    if (feed === undefined) {
      return opening !== undefined;
    }
    if (feed.epoch !== push.epoch) {
      // The push may be of a later life or, held up on its way, of an earlier one: the stream knows.
      void this.#check(feed);
      return opening !== undefined;
    }
    feed.deliver(push, Date.now());
    return true;
  }

  /** A publisher of this gateway learned how far a stream's log goes; its push should come now. */
  note(stream: string, published: { epoch: string; lastSequence: number }): void {
    const feed = this.#feeds.get(stream);
    if (feed?.epoch === published.epoch) {
      feed.note(published.lastSequence);
    }
  }

  /** A life of a stream is over. */
  streamDeleted(stream: string, epoch: string): void {
    const feed = this.#feeds.get(stream);
    if (feed?.epoch === epoch) {
      feed.end();
    }
  }

  /** Asks every stream how far its log goes, which renews this gateway's leases. */
  async renew(): Promise<void> {
    await Promise.all([...this.#feeds.values()].map((feed) => this.#check(feed)));
  }

  /**
   * Checks the feeds that were active, each once no push of it has come for a while: the last one may have been lost.
   * It goes by the gateway's alarm and not by a timer, which would keep the gateway from sleeping.
   *
   * @returns Done when every stream has answered; who waits for that lets one that does not hold up all others.
   */
  async checkActive(nowMs: number): Promise<void> {
    const active = [...this.#feeds.values()].filter((feed) => feed.activeSinceMs !== undefined);
    const due = active.filter((feed) => (feed.activeSinceMs ?? nowMs) <= nowMs - CHECK_MS);
    if (due.length < active.length) {
      // One that was pushed to lately waits its turn.
      this.#host.wakeBy(Date.now() + CHECK_MS);
    }
    await Promise.all(due.map((feed) => this.#check(feed)));
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
