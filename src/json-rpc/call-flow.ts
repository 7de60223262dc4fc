import { LIMITS, RpcError } from "../../rpc/index.ts";
import { utf8Bytes } from "../internal/message-text.ts";
import { isolateFull } from "../platform/isolate-budget.ts";
import type { Share } from "../platform/isolate-budget.ts";
import type { FairTurns } from "../platform/scheduling/fair-turns.ts";
import type { Arrived, Gathering } from "../platform/scheduling/gathering.ts";
import type { PublishBudget } from "../publishing/publish-budget.ts";

/** A frame's turn among the frames of its socket that publish. */
export type Turn = {
  /** Resolves when all earlier frames have begun their publishes; undefined when they have already. */
  readonly before: Promise<void> | undefined;
  /** To be called when so many publishes of the frame have begun. */
  begun(publishes: number): void;
};

/** What a call counts as: one whose answer may be large, as a page or a body is, has a bound of its own. */
export type CallSize = "small" | "large";

/** A frame that takes so little, as one does that unsubscribes, still has room when the large ones have none. */
const SMALL_FRAME_BYTES = 16_384;
const SMALL_FRAMES_MOST = (LIMITS.isolateBytes * 9) / 8;

/** What bounds the calls of all sockets of a gateway together. */
export type FlowHost = {
  /** Bounds the text of the frames that wait for their turn. */
  readonly publishBudget: PublishBudget;
  /** The turns of reads. */
  readonly reads: FairTurns<CallFlow>;
  /** What their frames take of the isolate that are not answered. */
  readonly frames: Share;
  /** The waits for what is to be published and acked together. */
  readonly gathering: Gathering;
};

/** A frame that is not answered yet. */
export type HeldFrame = {
  /** Length of its text, in UTF-16. */
  readonly characters: number;
  /** What it takes in memory; undefined when the isolate had no room for it, and its calls are to be refused. */
  readonly bytes: number | undefined;
};

/**
 * The calls of one socket: how many are in flight, and the order of its publishes. The publishes of a frame begin when
 * it is read. In a batch they may stand behind another call: then they begin when that is answered, and the publishes
 * of later frames wait for them. Frames are held in memory until they are answered, so their text is bounded, and what they
 * take of the isolate.
 */
export class CallFlow {
  readonly #host: FlowHost;
  #frameBytes = 0;
  #inFlight = 0;
  #largeInFlight = 0;
  #last: Promise<void> | undefined;

  constructor(host: FlowHost) {
    this.#host = host;
  }

  /** A frame has come. */
  note(arrived: Arrived): void {
    this.#host.gathering.note(arrived);
  }

  /** Resolves when the frames have been read that its client sent behind this one, as far as they have come. */
  whenRead(): Promise<void> {
    return this.#host.gathering.whenRead();
  }

  /** The turn of a read among those of all sockets; as {@link FairTurns.take}. */
  turnToRead(): Promise<boolean> | undefined {
    return this.#host.reads.take(this);
  }

  /** The socket is closed: what was to be read is not wanted any more. */
  closed(): void {
    this.#host.reads.forget(this);
  }

  /**
   * Holds a frame until it is answered. Whatever its size, a frame may be the only one.
   *
   * @param valueBytes What the params of its calls take beside their text.
   */
  holdFrame({ length: characters }: string, valueBytes: number): HeldFrame {
    this.#frameBytes += characters;
    const bytes = characters + valueBytes;
    const most = bytes <= SMALL_FRAME_BYTES ? SMALL_FRAMES_MOST : LIMITS.isolateBytes;
    return { characters, bytes: this.#host.frames.take(bytes, most) ? bytes : undefined };
  }

  /** A frame is answered. */
  releaseFrame({ characters, bytes = 0 }: HeldFrame): void {
    this.#frameBytes -= characters;
    this.#host.frames.release(bytes);
  }

  /**
   * Counts a call as in flight.
   *
   * @param frame The call's.
   * @returns Why it is refused: then it is not counted.
   */
  enter(size: CallSize, { characters, bytes }: HeldFrame): RpcError | undefined {
    if (this.#frameBytes > Math.max(LIMITS.requestBytesInFlight, characters)) {
      return TOO_MUCH_TEXT;
    }
    if (bytes === undefined) {
      return isolateFull();
    }
    if (this.#inFlight >= LIMITS.requestsInFlight) {
      return TOO_MANY;
    }
    if (size === "large") {
      if (this.#largeInFlight >= LIMITS.largeAnswersInFlight) {
        return TOO_MANY_LARGE;
      }
      this.#largeInFlight += 1;
    }
    this.#inFlight += 1;
    return undefined;
  }

  /** Counts so many calls as answered. */
  leave(size: CallSize, calls = 1): void {
    this.#inFlight -= calls;
    if (size === "large") {
      this.#largeInFlight -= calls;
    }
  }

  /**
   * Gives a frame its turn.
   *
   * @param frame.publishes How many publishes it has.
   * @param frame.isLate Whether one of them is behind another call.
   * @returns Undefined for a frame that needs none: it publishes nothing, or all of it at once. `full` for one that would
   *   have to wait, while too much waits already.
   */
  turnFor({
    publishes,
    isLate,
    text,
  }: {
    publishes: number;
    isLate: boolean;
    text: string;
  }): Turn | "full" | undefined {
    if (publishes === 0 || (this.#last === undefined && !isLate)) {
      return undefined;
    }
    const waitingBytes = this.#last === undefined ? 0 : utf8Bytes(text);
    if (!this.#host.publishBudget.take(waitingBytes)) {
      return "full";
    }
    const before = this.#last?.then(() => this.#host.publishBudget.release(waitingBytes));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    let left = publishes;
    const begun = (more: number) => {
      left -= more;
      if (left === 0) {
        resolve();
        if (this.#last === promise) {
          this.#last = undefined;
        }
      }
    };
    return { before, begun };
  }
}

// Made once: an error notes where it was made, which takes longer than to refuse a call, and many may be refused at once.
const TOO_MUCH_TEXT = tooMuch("requestBytesInFlight", "too much text of requests in flight");
const TOO_MANY = tooMuch("requestsInFlight", "too many requests in flight");
const TOO_MANY_LARGE = tooMuch("largeAnswersInFlight", "too many requests with large answers in flight");

function tooMuch(
  what: "requestBytesInFlight" | "requestsInFlight" | "largeAnswersInFlight",
  message: string,
): RpcError {
  return new RpcError("Busy", message, { what, limit: LIMITS[what] });
}
