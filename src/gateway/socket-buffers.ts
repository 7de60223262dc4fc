import { LIMITS } from "../../rpc/index.ts";
import { monotonicMs } from "../platform/clock.ts";
import { Share } from "../platform/isolate-budget.ts";

import { CHECK_MS } from "./streams/feeds.ts";

/** A socket, as far as it holds something. */
type Holder = { readonly outgoing: { readonly heldBytes: number } };

/** The sockets are asked once in so long: there may be thousands. */
const COUNT_MS = 20;
/** Held in all, above which no large answer is begun: what is left is for what clients publish. */
const ANSWERS_BYTES = (LIMITS.isolateBytes * 5) / 6;
/** Held in all, above which a socket with something unread gets no further large answer: those that read still do. */
const UNREAD_BYTES = LIMITS.isolateBytes / 2;

/**
 * What the sockets of one gateway hold of the memory of their isolate: what they were sent and have not read, and the
 * large answers that are being made for them.
 */
export class SocketBuffers {
  readonly #sockets: () => Iterable<Holder>;
  readonly #wakeBy: (atMs: number) => void;
  readonly #share: Share;
  #countedAt = Number.NEGATIVE_INFINITY;

  /** @param wakeBy Wakes the gateway at a time, to count again: nothing tells that a socket was read. */
  constructor(gateway: string, sockets: () => Iterable<Holder>, wakeBy: (atMs: number) => void) {
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
    this.#count(COUNT_MS);
    return this.#share.take(bytes, isUnread ? UNREAD_BYTES : ANSWERS_BYTES);
  }

  /** Counts what is held now, and again in a while if it is much. */
  count(): void {
    if (this.#count(0) > LIMITS.outgoingPauseBytes) {
      this.#wakeBy(Date.now() + CHECK_MS);
    }
  }

  #count(everyMs: number): number {
    const nowMs = monotonicMs();
    if (nowMs - this.#countedAt < everyMs) {
      return 0;
    }
    this.#countedAt = nowMs;
    let bytes = 0;
    for (const { outgoing } of this.#sockets()) {
      bytes += outgoing.heldBytes;
    }
    this.#share.set(bytes);
    return bytes;
  }
}
