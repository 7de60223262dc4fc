import { LIMITS, RpcError } from "../../../rpc/index.ts";
import type { AnswerRoom } from "../../json-rpc/answer-room.ts";
import type { Answer } from "../../json-rpc/answer.ts";
import { monotonicMs } from "../../platform/clock.ts";
import { turnForText } from "../../platform/scheduling/pace.ts";
import { areFirstAcksAwaited, isBufferTold, waitMs } from "../../platform/settings.ts";

import { LEAST_PAUSE_BYTES, REPLAY_BYTES } from "./socket-buffers.ts";
import type { SocketBuffers } from "./socket-buffers.ts";
import { checkMs } from "../streams/feeds.ts";
import { UnreadFrames } from "./unread-frames.ts";

/** How fast large answers count as read where the runtime does not tell: 256 KiB a second, whoever reads them. */
const READ_BYTES_PER_MS = 262;
/** Unacked text of all subscriptions at which a socket is sent no messages, where only acks tell: two windows full. */
const UNACKED_BYTES = 2 * LIMITS.outgoingPauseBytes;
/**
 * Where the runtime tells what is unread: text of messages that a socket is sent at once whose client has not acked as much
 * yet. It may not read at all, and the systems on both sides take megabytes before the runtime can tell: twenty such clients
 * would have a hundred read from the logs.
 */
const FIRST_BYTES = LIMITS.outgoingPauseBytes;
/** Of UTF-8, for each unit of UTF-16. */
const MOST_BYTES_A_CHARACTER = 3;
/** What a large answer is while it is made, for each of its bytes: in its stream, on its way, as a part and as a frame. */
const COPIES = 6;
/**
 * What is unread and what is being made, above which no large answer is begun. Where the runtime tells: what messages may have
 * unread, and a page, so that one is read while the next is made. Where the clock tells, which is late, what leaves room for small
 * answers before the socket counts as overrun.
 */
const ANSWERS_BYTES = {
  told: LIMITS.outgoingPauseBytes + REPLAY_BYTES + LIMITS.pageBytes,
  untold: LIMITS.outgoingCloseBytes - LIMITS.outgoingPauseBytes,
};
/**
 * What may be unread, frames beside their text, when nothing of it was read for a while: large answers, and some small ones.
 * Little when the sockets of the isolate hold much.
 */
const STUCK_BYTES = { usual: ANSWERS_BYTES.told + REPLAY_BYTES, crowded: LEAST_PAUSE_BYTES };
/** What is made at once of them for one socket; one alone may be larger. */
const MADE_BYTES = LIMITS.pageBytes;
/** How long a large answer waits for the client to read what was sent before it. */
const ROOM_WAIT_MS = 2_000;
/** Text that a slow link reads in that time. */
const ROOM_WAIT_BYTES = ROOM_WAIT_MS * READ_BYTES_PER_MS;
/** How often that is looked at: more rarely when it has waited for a while, for the client may not read at all. */
const LOOK_MS = { first: 25, later: 100 };

const UNREAD = new RpcError("Busy", "the socket has too much that is not read", {
  what: "outgoingCloseBytes",
  limit: LIMITS.outgoingCloseBytes,
  retryAfterMs: ROOM_WAIT_MS,
});

/**
 * What one socket was sent and its client has not read, over all its subscriptions and answers: at most
 * `LIMITS.outgoingCloseBytes`, and messages wait from `LIMITS.outgoingPauseBytes` on.
 *
 * `bufferedAmount` tells it, as long as WebSocket compression is off: with compression it is always 0 (measured on
 * workerd 1.20261117). Where the runtime does not tell, the client's acks do for messages, and the clock for answers.
 */
export class Outgoing implements AnswerRoom {
  readonly #ws: WebSocket;
  readonly #unackedBytes: () => number;
  readonly #isTold: boolean;
  readonly #buffers: SocketBuffers;
  #wasPaused = false;
  /** Characters of all frames. */
  #sentCharacters = 0;
  readonly #unread = new UnreadFrames();
  #ackedBytes = 0;
  /** What it may be sent unacked until it has acked {@link FIRST_BYTES}. */
  #firstBytes = areFirstAcksAwaited() ? FIRST_BYTES : Number.POSITIVE_INFINITY;
  /** Since when that is not enough. */
  #firstFullAt: number | undefined;
  /** Of the large answers that are being made. */
  #reservedBytes = 0;
  #released = Promise.withResolvers<void>();
  /** The last large answer: one for which as much is reserved is expected to be as large. */
  #answered = { reserved: 0, characters: 0 };
  /** What was unread when a large call last waited in vain: until it is less, what has no room does not wait. */
  #unreadInVain = Number.POSITIVE_INFINITY;
  /** The last large call that waits for room: they begin in order. */
  #last: Promise<unknown> = Promise.resolve();
  #answeredBytes = 0;
  #answeredAt = 0;

  /**
   * @param unackedBytes What its subscriptions were sent and have not acked, as often as it was sent.
   * @param buffers What all sockets of its gateway hold.
   */
  constructor(ws: WebSocket, unackedBytes: () => number, buffers: SocketBuffers) {
    this.#buffers = buffers;
    this.#ws = ws;
    this.#unackedBytes = unackedBytes;
    this.#isTold = isBufferTold() && Number.isFinite(ws.bufferedAmount);
  }

  /** Sends a frame, if the socket is still there. */
  send(frame: string): void {
    this.#sentCharacters += frame.length;
    try {
      const before = this.#isTold ? this.#ws.bufferedAmount : 0;
      this.#ws.send(frame);
      if (this.#isTold) {
        const after = this.#ws.bufferedAmount;
        this.#unread.sent(after - before);
        this.#buffers.noteUnread(after);
      }
    } catch {
      // Safe: the socket is gone, and the close event that says so is on its way.
    }
  }

  /** Whether the runtime tells what is unread. */
  get isTold(): boolean {
    return this.#isTold;
  }

  /** What its client has not read, as far as is known. */
  get unreadBytes(): number {
    return this.#isTold ? this.#ws.bufferedAmount : this.#unreadAnswers();
  }

  /** What the large answers take that are being made for it. */
  get madeBytes(): number {
    return this.#reservedBytes * COPIES;
  }

  /** Whether so much is unread that no message may be sent. */
  get isPaused(): boolean {
    const isPaused = this.#isTold
      ? this.#buffers.isPaused(this.#ws.bufferedAmount) || this.#isFirstFull()
      : this.#unackedBytes() > UNACKED_BYTES;
    this.#wasPaused ||= isPaused;
    return isPaused;
  }

  /** Most text of a page that is replayed to it. */
  get pageBytes(): number {
    return this.#isTold ? this.#buffers.pageBytes : REPLAY_BYTES;
  }

  /** Its client has acked text of messages, so it reads. */
  acked(bytes: number): void {
    this.#ackedBytes += bytes;
  }

  /**
   * Whether so much is unread that the socket is to be closed. What frames take beside their text counts when nothing was read
   * for a while: of those that come at once none is read yet. Never where the runtime does not tell.
   */
  get isOverrun(): boolean {
    if (!this.#isTold) {
      return false;
    }
    const bytes = this.#ws.bufferedAmount;
    this.#unread.buffered(bytes);
    // A frame is buffered until it is read as a whole: a large one takes a slow link a while.
    const isStuck = () => this.#unread.stuckMs >= roomWaitMs() * (1 + bytes / ROOM_WAIT_BYTES);
    const isMuch = bytes > LIMITS.outgoingCloseBytes || this.#unread.areTooMany;
    const stuckBytes = () => (this.#buffers.isCrowded ? STUCK_BYTES.crowded : STUCK_BYTES.usual);
    return isMuch || (this.#unread.bytes > STUCK_BYTES.crowded && isStuck() && this.#unread.bytes > stuckBytes());
  }

  /** Whether what waited may be sent again: once, after it was paused. */
  takeResumed(): boolean {
    if (!this.#wasPaused || this.isPaused) {
      return false;
    }
    this.#wasPaused = false;
    return true;
  }

  refusalOf(bytes: number): RpcError | undefined {
    // Most often nothing waited in vain: the runtime is not asked then.
    if (this.#unreadInVain === Number.POSITIVE_INFINITY) {
      return undefined;
    }
    const unread = this.unreadBytes;
    const isFull = unread + Math.min(bytes, LIMITS.pageBytes) > ANSWERS_BYTES.told;
    return isFull && unread >= this.#unreadInVain ? UNREAD : undefined;
  }

  /**
   * Several calls wait in their order, so that what a client pipelines is answered as fast as it reads. One that is expected to
   * have a large answer has its turn to be sent here: what waits when it is made is held meanwhile, and so long that V8 frees
   * it by a full collection only.
   */
  async reserve(bytes: number, answer: Answer): Promise<RpcError | undefined> {
    const askedAt = monotonicMs();
    const admitted = this.#last.then(() => this.#admit(bytes, askedAt));
    this.#last = admitted;
    const refusal = await admitted;
    const { reserved, characters } = this.#answered;
    const turn = refusal === undefined && reserved === bytes ? turnForText(characters) : undefined;
    if (turn !== undefined) {
      answer.turned = characters;
      await turn;
    }
    return refusal;
  }

  release(reserved: number, answer: Answer): void {
    this.#reservedBytes -= reserved;
    this.#answered = { reserved, characters: answer.characters };
    if (!this.#isTold) {
      this.#answeredBytes = this.#unreadAnswers() + answer.bytes;
    }
    this.#buffers.count();
    this.#released.resolve();
    this.#released = Promise.withResolvers();
  }

  /** Whether a client that has acked little so far is to ack first. In a while it is sent twice as much, for it may ack late. */
  #isFirstFull(): boolean {
    const isSmall =
      this.#ackedBytes >= FIRST_BYTES || this.#sentCharacters <= this.#firstBytes / MOST_BYTES_A_CHARACTER;
    if (isSmall || this.#unackedBytes() <= this.#firstBytes) {
      this.#firstFullAt = undefined;
      return false;
    }
    const nowMs = monotonicMs();
    this.#firstFullAt ??= nowMs;
    if (nowMs - this.#firstFullAt < checkMs() / 2) {
      return true;
    }
    this.#firstFullAt = undefined;
    this.#firstBytes *= 2;
    return this.#unackedBytes() > this.#firstBytes;
  }

  async #admit(bytes: number, askedAt: number): Promise<RpcError | undefined> {
    // Of a batch no more than a page: with its whole room it would begin only when all was read.
    const wanted = this.#isTold ? Math.min(bytes, LIMITS.pageBytes) : bytes;
    while (!this.#hasRoom(bytes, wanted)) {
      const unread = this.unreadBytes;
      this.#unreadInVain = unread < this.#unreadInVain ? Number.POSITIVE_INFINITY : this.#unreadInVain;
      const waitedMs = monotonicMs() - askedAt;
      if (unread >= this.#unreadInVain) {
        // Calls that wait for seconds are memory that only a full collection frees.
        return UNREAD;
      }
      if (waitedMs >= roomWaitMs()) {
        const isFull = this.#isTold && unread + wanted > ANSWERS_BYTES.told;
        this.#unreadInVain = isFull ? unread : Number.POSITIVE_INFINITY;
        return UNREAD;
      }
      const lookMs = waitedMs < 4 * LOOK_MS.later ? LOOK_MS.first : LOOK_MS.later;
      await Promise.race([this.#released.promise, scheduler.wait(Math.min(lookMs, roomWaitMs() - waitedMs))]);
    }
    this.#unreadInVain = Number.POSITIVE_INFINITY;
    this.#reservedBytes += bytes;
    return undefined;
  }

  #hasRoom(bytes: number, wanted: number): boolean {
    const held = this.unreadBytes + this.#reservedBytes;
    const isAlone = this.#reservedBytes === 0 || this.#reservedBytes + bytes <= MADE_BYTES;
    return (
      isAlone &&
      held + wanted <= ANSWERS_BYTES[this.#isTold ? "told" : "untold"] &&
      this.#buffers.take(bytes * COPIES, held > 0)
    );
  }

  #unreadAnswers(): number {
    const nowMs = monotonicMs();
    const passedMs = nowMs - this.#answeredAt;
    this.#answeredBytes = Math.max(0, this.#answeredBytes - passedMs * READ_BYTES_PER_MS);
    this.#answeredAt = nowMs;
    return this.#answeredBytes;
  }
}

/** {@link ROOM_WAIT_MS} but in tests. */
function roomWaitMs(): number {
  return waitMs("ROOM_WAIT_MS", ROOM_WAIT_MS);
}
