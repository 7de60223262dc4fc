import { LIMITS, RpcError } from "../../rpc/index.ts";

import { monotonicMs } from "./clock.ts";
import { logWarning } from "./log.ts";

/** A share that was not touched for so long belonged to a request or an object that is gone. */
const LOST_MS = 60_000;
/** How long a caller waits for room before it is told Busy, and how often it looks. */
const WAIT_MS = 2_000;
const LOOK_MS = 25;
/** Room counts as wanted for so long after somebody has waited for it. */
const WANTED_MS = 1_000;
/** Owners that may wait at once: more are told Busy at once, as to wait costs too. */
const MOST_WAITING = 32;

/** What all owners of a kind may hold together. */
export class Pool {
  readonly most: number;
  bytes = 0;
  /** Until when somebody wants what there is not. */
  wantedUntil = 0;
  /** What is said when it is full. Made once, as many may be refused at once. */
  readonly full: RpcError;

  /** @param most In bytes. */
  constructor(most: number) {
    this.most = most;
    this.full = busyFor(most, "requests of HTTP hold as much as they may; nothing was done");
  }

  hasRoom(bytes: number): boolean {
    return this.bytes + bytes <= this.most;
  }
}

/**
 * The shares that hold something. The objects of an isolate share its memory
 * (developers.cloudflare.com/durable-objects/reference/in-memory-state), and so do all its requests. It has
 * 128 MB (developers.cloudflare.com/workers/platform/limits/#memory); what is for clients is less than half of that.
 */
const shares = new Set<Share>();
/** The shares of objects that have a name, by it. */
const named = new Map<string, Share>();
let heldBytes = 0;
/** When each of those that wait looks next: what is past says nothing, so that a request that is gone does not count. */
let waitedUntil: number[] = [];

/**
 * What one owner, an object or a request, holds of the memory that an isolate has for what clients send and do not read:
 * `LIMITS.isolateBytes`. An owner that ends without giving it back, as a request does whose client is gone, loses it after
 * {@link LOST_MS}, or less, in which it did not touch it.
 */
export class Share {
  readonly #pool: Pool | undefined;
  #bytes = 0;
  #touchedAt = 0;
  /** After how long without a touch it counts as lost. */
  lostMs: number;

  /** @param pool What it is a part of, which leaves room for others. */
  constructor(pool?: Pool, lostMs = LOST_MS) {
    this.#pool = pool;
    this.lostMs = lostMs;
  }

  /** The share of an object: what it held before, when it was reset, is gone with its memory. @param name No other's. */
  static ofObject(name: string): Share {
    named.get(name)?.set(0);
    const share = new Share();
    named.set(name, share);
    return share;
  }

  /** What it holds; 0 when it was dropped. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes bytes; false when there is no room for them. @param most What the isolate may hold in all then. */
  take(bytes: number, most: number = LIMITS.isolateBytes): boolean {
    const hasRoom = () => heldBytes + bytes <= most && (this.#pool?.hasRoom(bytes) ?? true);
    if (!hasRoom()) {
      dropLostShares();
      if (!hasRoom()) {
        return false;
      }
    }
    this.set(this.#bytes + bytes);
    return true;
  }

  /** Takes bytes when there is room for them, after a while if need be. @returns Busy when there is none. */
  async whenTaken(bytes: number): Promise<RpcError | undefined> {
    const dueAt = monotonicMs() + WAIT_MS;
    while (!this.take(bytes)) {
      this.touch();
      const fullPool = this.#pool !== undefined && !this.#pool.hasRoom(bytes) ? this.#pool : undefined;
      if (fullPool !== undefined) {
        fullPool.wantedUntil = monotonicMs() + WANTED_MS;
      }
      if (monotonicMs() >= dueAt || areManyWaiting()) {
        return fullPool === undefined ? isolateFull() : told(fullPool.full);
      }
      waitedUntil.push(monotonicMs() + LOOK_MS);
      await scheduler.wait(LOOK_MS);
    }
    return undefined;
  }

  /** Whether somebody else waits for room in its pool, or has lately. */
  get isWanted(): boolean {
    return this.#pool !== undefined && this.#pool.wantedUntil > monotonicMs();
  }

  /** Gives bytes back. */
  release(bytes: number): void {
    this.set(Math.max(0, this.#bytes - bytes));
  }

  /** Holds so many bytes from now on, whether there is room for them or not: they are in memory already. */
  set(bytes: number): void {
    heldBytes += bytes - this.#bytes;
    if (this.#pool !== undefined) {
      this.#pool.bytes += bytes - this.#bytes;
    }
    this.#bytes = bytes;
    this.touch();
    if (bytes > 0) {
      shares.add(this);
    } else {
      shares.delete(this);
    }
  }

  /** Its owner is still there. */
  touch(): void {
    this.#touchedAt = monotonicMs();
  }

  /** Drops what an owner that is gone has left. @param nowMs By {@link monotonicMs}. */
  dropIfLost(nowMs: number): void {
    if (this.#touchedAt <= nowMs - this.lostMs) {
      this.set(0);
    }
  }
}

function busyFor(limit: number, message: string): RpcError {
  return new RpcError("Busy", message, { what: "isolateBytes", limit, retryAfterMs: WAIT_MS });
}

const ISOLATE_FULL = busyFor(LIMITS.isolateBytes, "the server holds too much for its clients; nothing was done");

/** What is said when the isolate holds too much already. */
export function isolateFull(): RpcError {
  return told(ISOLATE_FULL);
}

/** Logs a refusal for want of room. */
function told(busy: RpcError): RpcError {
  logWarning("a call is refused, as too much is held for clients", { error: busy.message, heldBytes });
  return busy;
}

function areManyWaiting(): boolean {
  const nowMs = monotonicMs();
  waitedUntil = waitedUntil.filter((atMs) => atMs > nowMs);
  return waitedUntil.length >= MOST_WAITING;
}

/** Drops the shares of owners that are gone. */
export function dropLostShares(): void {
  const nowMs = monotonicMs();
  shares.forEach((share) => share.dropIfLost(nowMs));
}

/** Drops what all owners hold: for tests, which end objects and go on in their isolate. */
export function dropShares(): void {
  shares.forEach((share) => share.set(0));
}
