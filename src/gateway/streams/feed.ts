import { ErrorCode, isRpcError } from "../../../rpc/index.ts";
import type { SubscriptionClosedNotification } from "../../../rpc/index.ts";
import type { Page, Push } from "../../internal/calls.ts";
import type { Seen, StreamEnd } from "../../internal/epoch.ts";
import { whole } from "../../internal/pieces.ts";
import { logError } from "../../platform/log.ts";
import type { MessageText } from "../../internal/message-text.ts";
import { callStream } from "../../platform/call-object.ts";
import { chargeText } from "../../platform/scheduling/pace.ts";

import { MessageBatch } from "../message-batch.ts";
import type { StreamSubscription } from "./subscription.ts";

/** Most messages of a page that is read one message at a time. */
const PARSED_MESSAGES = 500;

/** How a stream refuses to read on in a log that it no longer has: it was deleted, made again, or restored. */
const OTHER_LOG: ReadonlySet<number> = new Set([ErrorCode.NotFound, ErrorCode.EpochChanged, ErrorCode.Conflict]);

/** The most that a page has. */
type PageSize = { readonly messages: number; readonly bytes: number };

/** A subscription as its feed sees it. */
export type Follower = {
  readonly subscription: StreamSubscription;
  /** Whether nothing may be sent now: the socket has too much buffered, or the subscription is not answered yet. */
  isPaused(): boolean;
  /** Most text of a page for it. */
  readonly pageBytes: number;
  /** The turn of a page for it among those of all sockets; undefined when it may be read at once. */
  turn(): Promise<boolean> | undefined;
  /** The position moved: keep it, and watch its ack deadline. */
  moved(): void;
  /** The subscription is over. */
  close(reason: SubscriptionClosedNotification["reason"]): void;
};

/**
 * The followers of one epoch of a stream on this gateway. Pushes are an optimisation: a follower that is at
 * `push.previous` gets the push at once; every other one replays the log from its own cursor until it has caught up.
 */
export class Feed {
  readonly #env: Env;
  readonly #gateway: string;
  readonly #onActive: () => void;
  readonly #onDoubt: () => void;
  readonly stream: string;
  readonly epoch: string;
  /** The last sequence known to be in the log; undefined after an eviction. */
  #head: number | undefined;
  readonly #followers = new Set<Follower>();
  readonly #replaying = new Set<Follower>();
  /** Page reads under way, shared by followers at the same position. */
  readonly #reads = new Map<string, Promise<Page>>();
  /**
   * Since when a check is wanted, in ms since the epoch; undefined when nothing came since the last one. A lost push or
   * a failed read would not show by itself.
   */
  #activeSinceMs: number | undefined;

  constructor(
    host: {
      readonly env: Env;
      readonly gateway: string;
      /** Check it in a while. */
      readonly onActive: () => void;
      /** Check it at once. */
      readonly onDoubt: () => void;
    },
    of: { stream: string; epoch: string },
  ) {
    this.#env = host.env;
    this.#gateway = host.gateway;
    this.#onActive = host.onActive;
    this.#onDoubt = host.onDoubt;
    this.stream = of.stream;
    this.epoch = of.epoch;
  }

  get isFollowed(): boolean {
    return this.#followers.size > 0;
  }

  /** When the last push came, or since when something else is to be checked; undefined when nothing is. */
  get activeSinceMs(): number | undefined {
    return this.#activeSinceMs;
  }

  add(follower: Follower): void {
    this.#followers.add(follower);
  }

  remove(follower: Follower): void {
    this.#followers.delete(follower);
  }

  /** The log goes at least this far. Serves nobody: that is up to the caller. */
  advance(head: number): void {
    this.#head = Math.max(this.#head ?? 0, head);
  }

  /** A publish through this gateway told that the log goes this far: a check is wanted unless a push says so too. */
  note(sequence: number): void {
    if (sequence > (this.#head ?? 0)) {
      this.#activate();
    }
  }

  /** Whether a follower is behind what is known of the log. */
  isBehind({ subscription }: Follower): boolean {
    return subscription.cursor < (this.#head ?? 0);
  }

  /** Takes a push. What a follower already has is dropped, what it lacks before the push is read from the log. */
  deliver(push: Push, nowMs: number): void {
    this.advance(push.last);
    if (push.count > 0) {
      // This push shows what was lost before it; the next one may still be lost.
      this.#activeSinceMs = nowMs;
      this.#onActive();
    }
    const batch = push.count > 0 ? new MessageBatch(push) : undefined;
    let isDoubted = false;
    for (const follower of this.#followers) {
      const { subscription } = follower;
      if (subscription.isDoubted(push)) {
        isDoubted = true;
        continue;
      }
      const isLive = subscription.cursor === push.previous && !this.#replaying.has(follower) && !follower.isPaused();
      if (batch !== undefined && isLive && subscription.room > 0) {
        subscription.offer(batch, nowMs);
        follower.moved();
      }
      this.serve(follower);
    }
    if (isDoubted) {
      this.#onDoubt();
    }
  }

  /** Reads the log for a follower that is behind and has room, until it has caught up. */
  serve(follower: Follower): void {
    if (this.#head !== undefined && !this.isBehind(follower) && follower.subscription.isCounted) {
      return;
    }
    this.#awaitReader(follower);
    const isWanted = this.#mayRead(follower) || !follower.subscription.isCounted;
    if (isWanted && !this.#replaying.has(follower)) {
      this.#replaying.add(follower);
      void this.#replay(follower);
    }
  }

  /**
   * Asks the stream how far its log goes and whether it is still the log seen here, then serves the followers that are
   * behind. Renews this gateway's lease.
   */
  async check(): Promise<void> {
    const last = await this.#position();
    if (typeof last === "string") {
      this.end(last);
      return;
    }
    this.advance(last);
    for (const follower of this.#followers) {
      this.serve(follower);
    }
  }

  /** This epoch of the stream is over, and every subscription with it. */
  end(reason: StreamEnd): void {
    for (const follower of this.#followers) {
      follower.close(reason);
    }
  }

  /** No event tells when the client of a paused socket has read it: the check looks again, unless a frame comes before. */
  #awaitReader(follower: Follower): void {
    const mayBeBehind = this.#head === undefined || this.isBehind(follower);
    if (this.#followers.has(follower) && mayBeBehind && follower.isPaused()) {
      this.#activate();
    }
  }

  /** Has this feed checked, even if no further push comes. */
  #activate(): void {
    this.#activeSinceMs ??= Date.now();
    this.#onActive();
  }

  /** The end of the log as far as it is known here, and the last message of which the time is known too. */
  #seen(): Seen[] {
    let end = this.#head ?? 0;
    let furthest: Seen = { sequence: 0, publishedAt: 0 };
    for (const { subscription } of this.#followers) {
      const { seen } = subscription;
      end = Math.max(end, seen.sequence);
      furthest = seen.publishedAt > 0 && seen.sequence > furthest.sequence ? seen : furthest;
    }
    return [{ sequence: end, publishedAt: 0 }, furthest];
  }

  async #position(): Promise<number | StreamEnd> {
    const sinceMs = this.#activeSinceMs;
    const seen = this.#seen();
    // A push that comes meanwhile may be later than the answer: it wants a check of its own.
    this.#activeSinceMs = undefined;
    try {
      return await callStream(this.#env, this.stream, "reads", (stub) =>
        stub.position(this.#gateway, this.epoch, seen),
      );
    } catch (error) {
      this.#activeSinceMs ??= sinceMs;
      // Nothing else may ask again soon.
      this.#activate();
      throw error;
    }
  }

  #mayRead(follower: Follower): boolean {
    const { subscription } = follower;
    return (
      (this.#head === undefined || subscription.cursor < this.#head) &&
      subscription.room > 0 &&
      !subscription.isForked &&
      this.#followers.has(follower) &&
      !follower.isPaused()
    );
  }

  async #replay(follower: Follower): Promise<void> {
    const { subscription } = follower;
    try {
      await this.#recount(follower);
      while (this.#mayRead(follower)) {
        await follower.turn();
        if (!this.#mayRead(follower)) {
          break;
        }
        // In a function of its own: V8 keeps what this one, which has waited, was given last until a full collection.
        if (!(await this.#replayPage(follower))) {
          return;
        }
      }
    } catch (error) {
      this.#interrupted(error);
    } finally {
      this.#replaying.delete(follower);
    }
    this.#awaitReader(follower);
    if (subscription.isForked) {
      this.#onDoubt();
    }
  }

  /** Reads the next page for a follower, and gives it to it. @returns Whether the log is the one that it follows. */
  async #replayPage(follower: Follower): Promise<boolean> {
    const { subscription } = follower;
    const from = subscription.next;
    const known = Math.max(this.#head ?? 0, subscription.seen.sequence);
    const most = subscription.isFiltered ? PARSED_MESSAGES : subscription.room;
    const page = await this.#read(from, { messages: most, bytes: follower.pageBytes }, subscription.spec.filter);
    if (page.lastSequence < known) {
      this.#onDoubt();
      return false;
    }
    this.advance(page.lastSequence);
    chargeText(page.text.length);
    // An ack or a go-back meanwhile may have moved the cursor: then this page is not the next one. And what other
    // subscriptions were sent may have filled the socket.
    if (this.#followers.has(follower) && !follower.isPaused() && subscription.cursor + 1 === from.sequence) {
      subscription.passOver(page);
      subscription.offer(new MessageBatch(page), Date.now());
      follower.moved();
    }
    return true;
  }

  /** A read failed. The check tries again; the follower keeps its cursor, so nothing is missed. */
  #interrupted(error: unknown): void {
    this.#activate();
    if (isRpcError(error) && OTHER_LOG.has(error.code)) {
      this.#onDoubt();
    } else {
      logError("a replay was interrupted", error, { stream: this.stream });
    }
  }

  /** After an eviction, reads again which messages are unacked: how much room an ack makes depends on it. */
  async #recount({ subscription, pageBytes }: Follower): Promise<void> {
    if (subscription.isCounted) {
      return;
    }
    const unacked: MessageText[] = [];
    const { first, last } = subscription.unackedRange;
    let from = first;
    while (from <= last) {
      const most = { messages: PARSED_MESSAGES, bytes: pageBytes };
      const page = await this.#read({ sequence: from }, most, subscription.spec.filter);
      if (page.last < from) {
        break;
      }
      unacked.push(...new MessageBatch(page).messages);
      from = page.last + 1;
    }
    subscription.recount(unacked);
  }

  /** Reads on in the log that is followed. @throws One of {@link OTHER_LOG} when the stream no longer has that log. */
  async #read(from: StreamSubscription["next"], most: PageSize, filter: string | undefined): Promise<Page> {
    const key = `${from.sequence}/${from.previousPublishedAt}/${most.messages}/${most.bytes}/${filter}`;
    let read = this.#reads.get(key);
    if (read === undefined) {
      read = this.#page(from, most, filter);
      this.#reads.set(key, read);
      // Only while it is under way: a page read later must show what was deleted meanwhile.
      const forget = () => this.#reads.delete(key);
      read.then(forget, forget);
    }
    return read;
  }

  async #page(from: StreamSubscription["next"], most: PageSize, filter: string | undefined): Promise<Page> {
    const page = await callStream(this.#env, this.stream, "reads", (stub) =>
      stub.readPage(from, most.messages, most.bytes, this.epoch, filter, true),
    );
    if (page === undefined) {
      throw new Error("a stream that is in an epoch has no log");
    }
    return whole(page);
  }
}
