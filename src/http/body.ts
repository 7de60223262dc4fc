import { LIMITS, RpcError } from "../../rpc/index.ts";
import { frameTooLarge } from "../json-rpc/server.ts";
import { monotonicMs } from "../platform/clock.ts";
import { Pool, Share } from "../platform/isolate-budget.ts";
import { logWarning } from "../platform/log.ts";
import { requestDeadlineMs } from "../platform/settings.ts";

/** What a body is in memory, for each of its bytes: as it came, as text, parsed, and on its way to a stream. */
const COPIES = 6;
/** One that says it is so small has its room at once. It is the first piece that is read of others. */
const SMALL_BYTES = 4_096;
/**
 * What of a large body comes before it has room for all of it. Who sends less and then nothing holds twice what he has sent,
 * or a first piece. There is room for more of them than may wait.
 */
const BEGINNING_BYTES = 65_536;
const BEGINNINGS = new Pool(LIMITS.isolateBytes / 12);
/** It is read in few pieces: by chunks, which have 4 KiB, to read a megabyte would take longer than to store it. */
const PIECE_BYTES = 131_072;
/** How fast it comes at least, and how far behind that it may be; and while others wait for the room that it has. */
const PACE = {
  usual: { bytesPerMs: 32, behindMs: LIMITS.requestDeadlineMs },
  hurried: { bytesPerMs: 256, behindMs: LIMITS.requestDeadlineMs / 15 },
};
/** How often it is looked at. */
const LOOKS_A_DEADLINE = 60;
/** The room of a body that is not looked at for so long is lost: its client is gone, and its request with it. */
const LOST_LOOKS = 20;

/** Why there is no body, and the status that says so. */
export type BodyFault = { readonly status: number; readonly error: RpcError };

/** RFC 9110 section 15.5.9. */
const LATE: BodyFault = {
  status: 408,
  error: new RpcError("Busy", "the body came too slowly; nothing was done", {
    what: "requestDeadlineMs",
    limit: LIMITS.requestDeadlineMs,
    retryAfterMs: 2_000,
  }),
};

const GONE: BodyFault = {
  status: 400,
  error: new RpcError("InvalidRequest", "the body did not come whole; nothing was done"),
};

/**
 * The body of a request, unless it comes too slowly or not whole, is larger than a frame may be, or finds no room.
 *
 * @param room Takes what is made of it.
 */
export async function readBody(request: Request, room: Share): Promise<Uint8Array | BodyFault> {
  if (request.body === null) {
    return new Uint8Array();
  }
  const lostMs = LOST_LOOKS * lookMs();
  const beginning = new Share(BEGINNINGS, lostMs);
  const body = new IncomingBody(request.body, request.headers.get("Content-Length") ?? "");
  const usualLostMs = room.lostMs;
  room.lostMs = lostMs;
  try {
    const fault = (await body.begin(beginning)) ?? (await body.takeRoom(room));
    beginning.set(0);
    return fault ?? (await body.end(room)) ?? body.whole();
  } finally {
    beginning.set(0);
    room.lostMs = usualLostMs;
    room.touch();
  }
}

/** A body as it comes. */
class IncomingBody {
  readonly #reader: ReadableStreamBYOBReader;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;
  #hasEnded = false;
  /** How long it is said to be, or may be. A caller by a service binding may say what it likes of its length, or nothing. */
  #expected: number;

  constructor(body: ReadableStream, length: string) {
    this.#reader = body.getReader({ mode: "byob" });
    this.#expected = /^\d+$/.test(length) ? Math.min(Number(length), LIMITS.frameBytes) : LIMITS.frameBytes;
  }

  /** Reads the beginning of one that is not small: each time as much as has come. */
  async begin(share: Share): Promise<BodyFault | undefined> {
    const clock = new BodyClock(share);
    while (this.#expected > SMALL_BYTES && !this.#hasEnded && this.#bytes < BEGINNING_BYTES) {
      const bytes = Math.min(Math.max(SMALL_BYTES, this.#bytes), this.#expectedMore);
      const fault = roomFault(await share.whenTaken(bytes)) ?? (await this.#read(bytes, clock));
      if (fault !== undefined) {
        return fault;
      }
    }
    return undefined;
  }

  /** Takes the room for all of it, or for more of one that is longer than it says. */
  async takeRoom(share: Share): Promise<BodyFault | undefined> {
    if (this.#hasEnded) {
      this.#expected = this.#bytes;
    } else if (this.#expected < this.#bytes) {
      this.#expected = LIMITS.frameBytes;
    }
    return roomFault(await share.whenTaken(this.#expected * COPIES - share.bytes));
  }

  /** Reads the rest. */
  async end(share: Share): Promise<BodyFault | undefined> {
    const clock = new BodyClock(share);
    while (!this.#hasEnded) {
      const fault =
        (await this.#read(Math.min(PIECE_BYTES, this.#expectedMore), clock)) ??
        (this.#bytes > this.#expected ? await this.#goOn(share) : undefined);
      if (fault !== undefined) {
        return fault;
      }
    }
    share.set(this.#bytes * COPIES);
    return undefined;
  }

  whole(): Uint8Array {
    const [first = new Uint8Array(), ...others] = this.#pieces;
    if (others.length === 0) {
      return first;
    }
    const whole = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  async #goOn(share: Share): Promise<BodyFault | undefined> {
    if (this.#bytes > LIMITS.frameBytes) {
      this.#abandon();
      return { status: 413, error: frameTooLarge() };
    }
    return this.takeRoom(share);
  }

  /** One more byte than there may be: less shows that the body has ended. */
  get #expectedMore(): number {
    const expected = this.#expected < this.#bytes ? LIMITS.frameBytes : this.#expected;
    return expected + 1 - this.#bytes;
  }

  /** Reads so many bytes, or to the end. */
  async #read(bytes: number, clock: BodyClock): Promise<BodyFault | undefined> {
    // No fault of the server: whoever sends it is gone.
    const reading = this.#reader.readAtLeast(bytes, new Uint8Array(bytes)).catch(() => "gone" as const);
    clock.start();
    let read = await clock.within(reading);
    while (read === "pending") {
      if (clock.isLate) {
        this.#abandon();
        logWarning("a body is refused, as it comes too slowly", { bytes: this.#bytes });
        return LATE;
      }
      read = await clock.within(reading);
    }
    if (read === "gone") {
      return GONE;
    }
    const { value = new Uint8Array() } = read;
    this.#pieces.push(value);
    this.#bytes += value.length;
    this.#hasEnded = value.length < bytes;
    clock.came(value.length);
    return undefined;
  }

  /** Reads no more, and gives back what it was to be read into. */
  #abandon(): void {
    // Safe: whoever sends it may be gone already.
    this.#reader.cancel().catch(() => undefined);
  }
}

/** Tells whether bytes come fast enough for those who wait. What the body itself waits for room does not count. */
class BodyClock {
  readonly #share: Share;
  #startedAt = 0;
  #readMs = 0;
  #bytes = 0;

  /** @param share What holds them. */
  constructor(share: Share) {
    this.#share = share;
  }

  /** It is read from now on. */
  start(): void {
    this.#startedAt = monotonicMs();
  }

  came(bytes: number): void {
    this.#bytes += bytes;
    this.#readMs += monotonicMs() - this.#startedAt;
  }

  get isLate(): boolean {
    this.#share.touch();
    const { bytesPerMs, behindMs } = this.#share.isWanted ? PACE.hurried : PACE.usual;
    // As a test has set it.
    const scale = requestDeadlineMs() / LIMITS.requestDeadlineMs;
    return this.#readMs + monotonicMs() - this.#startedAt > (behindMs + this.#bytes / bytesPerMs) * scale;
  }

  /** What is read, or that it is not yet time to look whether it is late. */
  async within<T>(reading: Promise<T>): Promise<T | "pending"> {
    const { promise, resolve } = Promise.withResolvers<"pending">();
    const timer = setTimeout(() => resolve("pending"), lookMs());
    try {
      return await Promise.race([reading, promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** How often it is looked at whether a body has come. */
function lookMs(): number {
  return requestDeadlineMs() / LOOKS_A_DEADLINE;
}

function roomFault(busy: RpcError | undefined): BodyFault | undefined {
  return busy && { status: 503, error: busy };
}
