import { LIMITS } from "../../../rpc/index.ts";
import { monotonicMs } from "../../platform/clock.ts";
import { Share } from "../../platform/isolate-budget.ts";
import { logWarning } from "../../platform/log.ts";
import { closeMs } from "../../platform/settings.ts";

import { CHECK_MS, checkMs } from "../streams/feeds.ts";

/** A socket, as far as it holds something. */
type Holder = { readonly outgoing: { readonly unreadBytes: number; readonly madeBytes: number } };

/** The sockets of a gateway. */
type Sockets = {
  readonly open: () => Iterable<Holder>;
  /** What those keep that were closed, which changes only when their peers go. */
  readonly closed: { readonly bytes: number };
};

/** The sockets are asked once in so long, for large answers and for messages: there may be thousands. */
const COUNT_MS = { answers: 20, messages: 100 };
/** Most text of a replay's page: enough to keep a socket busy, little enough to hold one for every follower that reads. */
export const REPLAY_BYTES = 262_144;
/** What clients that are slow may have unread of messages in an isolate: they share it when they are many. */
const SLOW_BYTES = LIMITS.isolateBytes / 6;
/** A client that has as much unread is slow; nobody's part is smaller. */
export const LEAST_PAUSE_BYTES = 65_536;
/** How often it is counted again for closed sockets alone: before their share counts as lost. */
const CLOSED_CHECK_MS = 30_000;
/** What a gateway counted so long ago says nothing of its open sockets, or of all: it would have been woken to count again. */
const COUNTED_MS = { open: 2 * CHECK_MS, all: 2 * CLOSED_CHECK_MS };
/** Held in all, above which no large answer is begun: what is left is for what clients publish. */
const ANSWERS_BYTES = (LIMITS.isolateBytes * 5) / 6;
/** Held in all, above which a socket with something unread gets no further large answer: those that read still do. */
const UNREAD_BYTES = LIMITS.isolateBytes / 2;
/** What closed sockets of an isolate may keep for hours, and for a while. */
const CLOSED_BYTES = { usual: LIMITS.isolateBytes / 4, most: (LIMITS.isolateBytes * 3) / 4 };
/** That while, in waits for the answer to a Close: letting go of their peers costs every client of their gateway a reconnect. */
const PATIENCE = 12;

/** What a gateway counted. */
type Count = {
  /** Clients that were slow. */
  readonly slow: number;
  readonly unreadBytes: number;
  /** Of closed sockets. */
  readonly closedBytes: number;
  readonly atMs: number;
};

/** What each gateway of the isolate counted last. */
const counts = new Map<string, Count>();

/** What the gateways of the isolate counted, no longer ago than that. */
function sumOf(value: (count: Count) => number, withinMs: number): number {
  const sinceMs = monotonicMs() - withinMs;
  let sum = 0;
  counts.forEach((count) => (sum += count.atMs > sinceMs ? value(count) : 0));
  return sum;
}

/**
 * What the sockets of one gateway hold of the memory of their isolate: what they were sent and have not read, and the
 * large answers that are being made for them.
 */
export class SocketBuffers {
  readonly #sockets: Sockets;
  readonly #wakeBy: (atMs: number) => void;
  readonly #gateway: string;
  readonly #share: Share;
  #countedAt = Number.NEGATIVE_INFINITY;

  /** @param wakeBy Wakes the gateway at a time, to count again: nothing tells that a socket was read. */
  constructor(gateway: string, sockets: Sockets, wakeBy: (atMs: number) => void) {
    this.#gateway = gateway;
    counts.delete(gateway);
    this.#share = Share.ofObject(`sockets of ${gateway}`);
    this.#sockets = sockets;
    this.#wakeBy = wakeBy;
  }

  /** Logs that a socket is closed, as its client reads too slowly. @param access Whose it is. */
  tellOverrun(unreadBytes: number, { subject = "" }: { readonly subject?: string | undefined }): void {
    logWarning("a socket is closed, as its client reads too slowly", { gateway: this.#gateway, subject, unreadBytes });
  }

  /**
   * Whether the isolate has room for a large answer; counts it as taken.
   *
   * @param isUnread Whether the socket has something that is not read, or is being made: then half of the isolate is for others.
   */
  take(bytes: number, isUnread: boolean): boolean {
    this.#count(COUNT_MS.answers);
    return this.#share.take(bytes, isUnread ? UNREAD_BYTES : ANSWERS_BYTES);
  }

  /** Whether a socket that has so many bytes unread is to be sent no messages. */
  isPaused(unreadBytes: number): boolean {
    if (unreadBytes <= LEAST_PAUSE_BYTES) {
      return false;
    }
    this.#count(COUNT_MS.messages);
    return unreadBytes > this.#pauseBytes();
  }

  /** A socket has so many bytes unread: counts them now or in a while, unless they are few. */
  noteUnread(unreadBytes: number): void {
    if (unreadBytes > LEAST_PAUSE_BYTES && !this.#count(COUNT_MS.messages)) {
      this.#wakeBy(Date.now() + checkMs());
    }
  }

  /** Whether the sockets of the isolate have so much unread that clients which read nothing have to go. */
  get isCrowded(): boolean {
    return sumOf(({ unreadBytes, closedBytes }) => unreadBytes + closedBytes, COUNTED_MS.all) > UNREAD_BYTES;
  }

  /** How long peers may keep what they have not read before they answer the Close, in ms: little when it is much in the isolate. */
  get patienceMs(): number {
    const bytes = sumOf(({ closedBytes }) => closedBytes, COUNTED_MS.all);
    if (bytes <= CLOSED_BYTES.usual) {
      return Infinity;
    }
    return bytes <= CLOSED_BYTES.most ? PATIENCE * closeMs() : closeMs();
  }

  /** Counts what is held now, and again in a while if it is much. */
  count(): void {
    this.#count(0);
  }

  /** Most text of a page that is replayed: no more than what a socket may have unread. */
  get pageBytes(): number {
    // One of few sizes, so that followers at the same place share a page.
    const bytes = Math.floor(this.#pauseBytes() / LEAST_PAUSE_BYTES) * LEAST_PAUSE_BYTES;
    return Math.min(REPLAY_BYTES, bytes);
  }

  /** At how much a socket is paused: fewer bytes when many are slow. */
  #pauseBytes(): number {
    const slow = sumOf((count) => count.slow, COUNTED_MS.open);
    return Math.max(LEAST_PAUSE_BYTES, Math.min(LIMITS.outgoingPauseBytes, SLOW_BYTES / slow));
  }

  /** @returns Whether it was so long since it counted. */
  #count(everyMs: number): boolean {
    const nowMs = monotonicMs();
    if (nowMs - this.#countedAt < everyMs) {
      return false;
    }
    this.#countedAt = nowMs;
    let [unreadBytes, madeBytes, slow] = [0, 0, 0];
    for (const { outgoing } of this.#sockets.open()) {
      const unread = outgoing.unreadBytes;
      unreadBytes += unread;
      madeBytes += outgoing.madeBytes;
      slow += unread > LEAST_PAUSE_BYTES ? 1 : 0;
    }
    const { bytes: closedBytes } = this.#sockets.closed;
    this.#share.set(unreadBytes + madeBytes + closedBytes);
    counts.set(this.#gateway, { slow, unreadBytes, closedBytes, atMs: nowMs });
    if (unreadBytes + madeBytes > LIMITS.outgoingPauseBytes) {
      this.#wakeBy(Date.now() + checkMs());
    } else if (closedBytes > LIMITS.outgoingPauseBytes) {
      this.#wakeBy(Date.now() + CLOSED_CHECK_MS);
    }
    return true;
  }
}
