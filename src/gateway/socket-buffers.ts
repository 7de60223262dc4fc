import { LIMITS } from "../../rpc/index.ts";
import { monotonicMs } from "../platform/clock.ts";
import { Share } from "../platform/isolate-budget.ts";

import { CHECK_MS } from "./streams/feeds.ts";

/** A socket, as far as it holds something. */
type Holder = { readonly outgoing: { readonly heldBytes: number; readonly unreadBytes: number } };

/** The sockets are asked once in so long, for large answers and for messages: there may be thousands. */
const COUNT_MS = { answers: 20, messages: 100 };
/** Unread by all clients of an isolate, above which messages wait for those that have not read some already. */
const CROWDED_BYTES = LIMITS.isolateBytes / 6;
/** Held in all, above which no large answer is begun: what is left is for what clients publish. */
const ANSWERS_BYTES = (LIMITS.isolateBytes * 5) / 6;
/** Held in all, above which a socket with something unread gets no further large answer: those that read still do. */
const UNREAD_BYTES = LIMITS.isolateBytes / 2;

/** What the clients of each gateway of the isolate have not read, when that was last counted. */
const unreadBytes = new Map<string, number>();

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

  /** @param wakeBy Wakes the gateway at a time, to count again: nothing tells that a socket was read. */
  constructor(gateway: string, sockets: () => Iterable<Holder>, wakeBy: (atMs: number) => void) {
    this.#gateway = gateway;
    unreadBytes.delete(gateway);
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

  /** Whether the clients of the isolate have so much unread that those with some of it are to read first. */
  get isCrowded(): boolean {
    this.#count(COUNT_MS.messages);
    let bytes = 0;
    unreadBytes.forEach((each) => (bytes += each));
    return bytes > CROWDED_BYTES;
  }

  /** Counts what is held now, and again in a while if it is much. */
  count(): void {
    this.#count(0);
  }

  #count(everyMs: number): void {
    const nowMs = monotonicMs();
    if (nowMs - this.#countedAt < everyMs) {
      return;
    }
    this.#countedAt = nowMs;
    let [held, unread] = [0, 0];
    for (const { outgoing } of this.#sockets()) {
      held += outgoing.heldBytes;
      unread += outgoing.unreadBytes;
    }
    this.#share.set(held);
    unreadBytes.set(this.#gateway, unread);
    if (held > LIMITS.outgoingPauseBytes) {
      this.#wakeBy(Date.now() + CHECK_MS);
    }
  }
}
