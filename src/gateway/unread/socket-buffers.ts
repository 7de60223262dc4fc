import { LIMITS } from "../../../rpc/index.ts";
import { monotonicMs } from "../../platform/clock.ts";
import { Share } from "../../platform/isolate-budget.ts";

import { CHECK_MS, checkMs } from "../streams/feeds.ts";

/** A socket, as far as it holds something. */
type Holder = {
  readonly outgoing: {
    readonly unreadBytes: number;
    readonly madeBytes: number;
    /** Whether the server has sent its Close: what it holds then changes only when its peer goes. */
    readonly isClosed: boolean;
  };
};

/** The sockets are asked once in so long, for large answers and for messages: there may be thousands. */
const COUNT_MS = { answers: 20, messages: 100 };
/** Most text of a replay's page: enough to keep a socket busy, little enough to hold one for every follower that reads. */
export const REPLAY_BYTES = 262_144;
/** What clients that are slow may have unread of messages in an isolate: they share it when they are many. */
const SLOW_BYTES = LIMITS.isolateBytes / 6;
/** A client that has as much unread is slow; nobody's part is smaller. */
export const LEAST_PAUSE_BYTES = 65_536;
/** A gateway that has not counted for so long holds little: it would have been woken to. */
const COUNTED_MS = 2 * CHECK_MS;
/** Held in all, above which no large answer is begun: what is left is for what clients publish. */
const ANSWERS_BYTES = (LIMITS.isolateBytes * 5) / 6;
/** Held in all, above which a socket with something unread gets no further large answer: those that read still do. */
const UNREAD_BYTES = LIMITS.isolateBytes / 2;
/** How often it is counted again for closed sockets alone: before their share counts as lost. */
const CLOSED_CHECK_MS = 30_000;

/** How many clients of each gateway of the isolate were slow when it last counted. */
const slowClients = new Map<string, { readonly count: number; readonly atMs: number }>();

/**
 * What the sockets of one gateway hold of the memory of their isolate: what they were sent and have not read, and the
 * large answers that are being made for them.
 */
export class SocketBuffers {
  readonly #sockets: () => Iterable<Holder>;
  readonly #wakeBy: (atMs: number) => void;
  readonly #gateway: string;
  readonly #share: Share;
  #countedAt = Number.NEGATIVE_INFINITY;
  #closedBytes = 0;

  /** @param wakeBy Wakes the gateway at a time, to count again: nothing tells that a socket was read. */
  constructor(gateway: string, sockets: () => Iterable<Holder>, wakeBy: (atMs: number) => void) {
    this.#gateway = gateway;
    slowClients.delete(gateway);
    this.#share = Share.ofObject(`sockets of ${gateway}`);
    this.#sockets = sockets;
    this.#wakeBy = wakeBy;
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

  /** Whether the isolate holds so much that clients which read nothing have to go. */
  get isCrowded(): boolean {
    return !this.#share.take(0, UNREAD_BYTES);
  }

  /** Whether closed sockets alone hold as much: their peers do not read, and do not go. */
  get isCrowdedByClosed(): boolean {
    return this.#closedBytes > UNREAD_BYTES;
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
    const sinceMs = monotonicMs() - COUNTED_MS;
    let slow = 0;
    slowClients.forEach(({ count, atMs }) => (slow += atMs > sinceMs ? count : 0));
    return Math.max(LEAST_PAUSE_BYTES, Math.min(LIMITS.outgoingPauseBytes, SLOW_BYTES / slow));
  }

  /** @returns Whether it was so long since it counted. */
  #count(everyMs: number): boolean {
    const nowMs = monotonicMs();
    if (nowMs - this.#countedAt < everyMs) {
      return false;
    }
    this.#countedAt = nowMs;
    let [open, closed, slow] = [0, 0, 0];
    for (const { outgoing } of this.#sockets()) {
      const { unreadBytes, madeBytes, isClosed } = outgoing;
      if (isClosed) {
        closed += unreadBytes;
      } else {
        open += unreadBytes + madeBytes;
        slow += unreadBytes > LEAST_PAUSE_BYTES ? 1 : 0;
      }
    }
    this.#closedBytes = closed;
    this.#share.set(open + closed);
    slowClients.set(this.#gateway, { count: slow, atMs: nowMs });
    if (open > LIMITS.outgoingPauseBytes) {
      this.#wakeBy(Date.now() + checkMs());
    } else if (closed > LIMITS.outgoingPauseBytes) {
      this.#wakeBy(Date.now() + CLOSED_CHECK_MS);
    }
    return true;
  }
}
