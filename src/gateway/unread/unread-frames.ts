import { LIMITS } from "../../../rpc/index.ts";
import { monotonicMs } from "../../platform/clock.ts";

/** What a frame that is not read takes beside its text (measured on workerd 1.20261117): small ones are ten times their text. */
const FRAME_BYTES = 1_024;
/** Frames of which nobody has more unread who reads: all answers to what it may have in flight, and as many notifications. */
const MOST_FRAMES = 3 * LIMITS.requestsInFlight;
/** Text between two marks of how many frames were sent, which tell about how many of them are unread. */
const MARK_BYTES = 8_192;

/** What a socket was sent so far. */
type Sent = { readonly frames: number; readonly bytes: number };

/** The frames of one socket that its client has not read, where the runtime tells how many bytes of them it has buffered. */
export class UnreadFrames {
  #sent: Sent = { frames: 0, bytes: 0 };
  /** What of it was read at least, and marks of how much was sent since. */
  #read: Sent = this.#sent;
  readonly #marks: Sent[] = [];
  /** What was buffered last, and since when nothing of it was read; undefined while nothing was buffered. */
  #buffered = 0;
  #stuckSince: number | undefined;

  /** A frame was sent that takes so many bytes. */
  sent(bytes: number): void {
    this.#sent = { frames: this.#sent.frames + 1, bytes: this.#sent.bytes + bytes };
    this.#buffered += bytes;
    if (this.#sent.bytes >= (this.#marks.at(-1) ?? this.#read).bytes + MARK_BYTES) {
      this.#marks.push(this.#sent);
    }
  }

  /** So many bytes are buffered now. To be called before the others are asked. */
  buffered(bytes: number): void {
    if (bytes === 0) {
      this.#stuckSince = undefined;
    } else if (bytes < this.#buffered) {
      this.#stuckSince = monotonicMs();
    } else {
      this.#stuckSince ??= monotonicMs();
    }
    this.#buffered = bytes;
    const readBytes = this.#sent.bytes - bytes;
    for (let [next] = this.#marks; next !== undefined && next.bytes <= readBytes; [next] = this.#marks) {
      this.#read = next;
      this.#marks.shift();
    }
    this.#read = bytes === 0 ? this.#sent : this.#read;
  }

  /** Whether they are more than any client has unread that reads. */
  get areTooMany(): boolean {
    return this.#frames > MOST_FRAMES;
  }

  /** What they take: their text, and what the runtime needs for each of them. */
  get bytes(): number {
    return this.#buffered + this.#frames * FRAME_BYTES;
  }

  /** For how long nothing was read of what is buffered, in ms; 0 while nothing is. */
  get stuckMs(): number {
    return this.#stuckSince === undefined ? 0 : monotonicMs() - this.#stuckSince;
  }

  get #frames(): number {
    return this.#sent.frames - this.#read.frames;
  }
}
