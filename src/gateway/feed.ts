import type { SubscriptionClosedNotification } from "../../rpc/index.ts";
import type { Page, Push } from "../calls.ts";
import { logError } from "../log.ts";
import type { MessageText } from "../message-text.ts";
import { callStream } from "../stream-calls.ts";

import { MessageBatch } from "./message-batch.ts";
import type { Subscription } from "./subscription.ts";

/** A page of a replay: enough to keep a socket busy, little enough to hold for every follower that reads. */
const REPLAY_MESSAGES = 500;
const REPLAY_BYTES = 131_072;

/** A subscription with what its feed may do to its socket. */
export type Follower = {
  readonly subscription: Subscription;
  /** Whether the socket has more to send than it should. */
  isPaused(): boolean;
  /** The position moved: it is to be kept, and its deadline watched. */
  moved(): void;
  /** The subscription is over. */
  close(reason: SubscriptionClosedNotification["reason"]): void;
};

/**
 * One stream as its followers on this gateway see it. A push is only the quick way: a follower that is where the push
 * begins gets it at once, every other one reads the log from its own cursor until it has come up.
 */
export class Feed {
  readonly #env: Env;
  readonly #gateway: string;
  readonly #onActive: () => void;
  readonly stream: string;
  readonly epoch: string;
  /** The last sequence known to be in the log; nothing is known after an eviction. */
  #head: number | undefined;
  readonly #followers = new Set<Follower>();
  readonly #replaying = new Set<Follower>();
  /** Page reads under way, shared by followers at the same place. */
  readonly #reads = new Map<string, Promise<Page | undefined>>();
  /**
   * Since when it is to be checked; undefined when nothing came since the last check. A lost push, or a read that
   * failed, would not show by itself.
   */
  #activeSinceMs: number | undefined;

  constructor(
    host: { readonly env: Env; readonly gateway: string; readonly onActive: () => void },
    life: { stream: string; epoch: string },
  ) {
    this.#env = host.env;
    this.#gateway = host.gateway;
    this.#onActive = host.onActive;
    this.stream = life.stream;
    this.epoch = life.epoch;
  }

  get isFollowed(): boolean {
    return this.#followers.size > 0;
  }

  /** When the last push came, or what else is to be checked, in milliseconds; undefined when nothing is. */
  get activeSinceMs(): number | undefined {
    return this.#activeSinceMs;
  }

  add(follower: Follower): void {
    this.#followers.add(follower);
  }

  remove(follower: Follower): void {
    this.#followers.delete(follower);
  }

  /** The log goes at least this far; whoever it is served to is up to the caller. */
  advance(head: number): void {
    this.#head = Math.max(this.#head ?? 0, head);
  }

  /** A publisher of this gateway was told that the log goes this far: unless a push says so too, that is checked. */
  note(sequence: number): void {
    if (sequence > (this.#head ?? 0)) {
      this.#activate();
    }
  }

  /** Whether a follower has not come up to what is known of the log. */
  isBehind({ subscription }: Follower): boolean {
    return subscription.cursor < (this.#head ?? 0);
  }

  /** Takes a push; what a follower already has is dropped, what it lacks is read. */
  deliver(push: Push, nowMs: number): void {
    this.advance(push.last);
    if (push.count > 0) {
      // A push shows what was lost before it: what may be lost now is the next one.
      this.#activeSinceMs = nowMs;
      this.#onActive();
    }
    const batch = push.count > 0 ? new MessageBatch(push) : undefined;
    for (const follower of this.#followers) {
      const { subscription } = follower;
      const isLive = subscription.cursor === push.previous && !this.#replaying.has(follower) && !follower.isPaused();
      if (batch !== undefined && isLive && subscription.room > 0) {
        subscription.offer(batch, nowMs);
        follower.moved();
      }
      this.serve(follower);
    }
  }

  /** Reads the log for a follower that is behind and has room, until it has come up. */
  serve(follower: Follower): void {
    if (follower.isPaused() && this.isBehind(follower)) {
      // Nothing tells when its socket has been read: the check looks again.
      this.#activate();
    }
    const isWanted = this.#mayRead(follower) || !follower.subscription.isCounted;
    if (isWanted && !this.#replaying.has(follower)) {
      this.#replaying.add(follower);
      void this.#replay(follower);
    }
  }

  /** Asks the stream how far its log goes, and serves who is behind. Renews the stream's lease. */
  async check(): Promise<void> {
    const last = await this.#position();
    if (last === undefined) {
      this.end();
      return;
    }
    this.advance(last);
    for (const follower of this.#followers) {
      this.serve(follower);
    }
  }

  /** This life of the stream is over, and every subscription with it. */
  end(): void {
    for (const follower of this.#followers) {
      follower.close("streamDeleted");
    }
  }

  /** Has the check look at this feed, whatever else comes or does not. */
  #activate(): void {
    this.#activeSinceMs ??= Date.now();
    this.#onActive();
  }

  async #position(): Promise<number | undefined> {
    const sinceMs = this.#activeSinceMs;
    // What comes meanwhile may be later than the answer, and is checked in its turn.
    this.#activeSinceMs = undefined;
    try {
      return await callStream(this.#env, this.stream, "reads", (stub) => stub.position(this.#gateway, this.epoch));
    } catch (error) {
      this.#activeSinceMs ??= sinceMs;
      // Whatever the question was for, nothing else may ask it again soon.
      this.#activate();
      throw error;
    }
  }

  #mayRead(follower: Follower): boolean {
    const { subscription } = follower;
    return (
      (this.#head === undefined || subscription.cursor < this.#head) &&
      subscription.room > 0 &&
      this.#followers.has(follower) &&
      !follower.isPaused()
    );
  }

  async #replay(follower: Follower): Promise<void> {
    const { subscription } = follower;
    try {
      await this.#recount(subscription);
      while (this.#mayRead(follower)) {
        const from = subscription.cursor + 1;
        const page = await this.#read(from, subscription.isFiltered ? REPLAY_MESSAGES : subscription.room);
        if (page?.epoch !== this.epoch) {
          this.end();
          return;
        }
        if (page.last < from && page.lastSequence < (this.#head ?? 0)) {
          throw new Error("the log ends before the last sequence it pushed");
        }
        this.advance(page.lastSequence);
        // An ack or a go-back meanwhile may have moved the cursor: then this page is not the next one.
        if (this.#followers.has(follower) && subscription.cursor + 1 === from) {
          subscription.offer(new MessageBatch(page), Date.now());
          follower.moved();
        }
      }
    } catch (error) {
      // The check tries again: the follower keeps its cursor, so nothing is missed.
      this.#activate();
      logError("a replay was interrupted", error, { stream: this.stream });
    } finally {
      this.#replaying.delete(follower);
    }
  }

  /** After an eviction, reads again which messages are unacked: what an ack makes room for depends on it. */
  async #recount(subscription: Subscription): Promise<void> {
    if (subscription.isCounted) {
      return;
    }
    const unacked: MessageText[] = [];
    const { first, last } = subscription.unackedRange;
    let from = first;
    while (from <= last) {
      const page = await this.#read(from, REPLAY_MESSAGES);
      if (page?.epoch !== this.epoch || page.last < from) {
        break;
      }
      unacked.push(...new MessageBatch(page).messages);
      from = page.last + 1;
    }
    subscription.recount(unacked);
  }

  async #read(from: number, room: number): Promise<Page | undefined> {
    const maxMessages = Math.min(room, REPLAY_MESSAGES);
    const key = `${from}/${maxMessages}`;
    let read = this.#reads.get(key);
    if (read === undefined) {
      read = callStream(this.#env, this.stream, "reads", (stub) =>
        stub.readPage({ sequence: from }, maxMessages, REPLAY_BYTES),
      );
      this.#reads.set(key, read);
      // Only while it is under way: a page read later must show what was deleted meanwhile.
      const forget = () => this.#reads.delete(key);
      read.then(forget, forget);
    }
    return read;
  }
}
