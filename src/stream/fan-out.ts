import type { MessageRange, Push } from "../internal/calls.ts";
import type { StreamEnd } from "../internal/epoch.ts";
import { MESSAGE_SEPARATOR } from "../internal/message-text.ts";

import type { GatewayRow } from "./schema.ts";

/** How long a gateway is pushed to after it last called `follow` or `position`. */
const LEASE_MS = 3_600_000;

/** Most text that waits for one gateway. Beyond it the gateway is told only the last sequence, and reads the log. */
const MAX_WAITING_BYTES = 1_048_576;

/** How long a push may take before the next one is sent without waiting for it. */
const PUSH_DEADLINE_MS = 5_000;

type Stub = ReturnType<Env["GATEWAY"]["getByName"]>;

/** One gateway that is pushed to. One push is under way at a time; later commits wait, merged into one push. */
type Lease = {
  name: string;
  expiresAt: number;
  /** Number of `follow` calls. A push that finds no follower ends the lease only if none came since it left. */
  renewals: number;
  stub: Stub | undefined;
  /** When the push under way was sent; undefined when none is. */
  sending: { sinceMs: number } | undefined;
  waiting: Push | undefined;
};

/**
 * Pushes what was committed to the gateways that follow a stream, and owns the table `gateways`.
 *
 * Pushes are an optimisation and may be lost. A gateway detects that by `previous`, by its regular `position` call, or
 * by the announcement of a stream that was loaded again. The runtime's output gate holds a push back until its commit
 * is on disk.
 */
export class FanOut {
  readonly #ctx: DurableObjectState;
  readonly #namespace: Env["GATEWAY"];
  readonly #stream: string;
  readonly #epoch: string;
  readonly #leases = new Map<string, Lease>();

  constructor(ctx: DurableObjectState, namespace: Env["GATEWAY"], identity: { name: string; epoch: string }) {
    this.#ctx = ctx;
    this.#namespace = namespace;
    this.#stream = identity.name;
    this.#epoch = identity.epoch;
    for (const row of ctx.storage.sql.exec<GatewayRow>("SELECT name, expires_at FROM gateways").toArray()) {
      this.#leases.set(row.name, newLease(row.name, row.expires_at));
    }
  }

  /** Number of gateways that are pushed to. */
  get gateways(): number {
    return this.#leases.size;
  }

  /** Starts or renews a gateway's lease. Writes a row only when less than half of the lease is left. */
  follow(gateway: string, nowMs: number): void {
    let lease = this.#leases.get(gateway);
    if (lease === undefined || lease.expiresAt < nowMs + LEASE_MS / 2) {
      const expiresAt = nowMs + LEASE_MS;
      this.#ctx.storage.sql.exec(
        "INSERT INTO gateways (name, expires_at) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET expires_at = ?2",
        gateway,
        expiresAt,
      );
      lease ??= newLease(gateway, expiresAt);
      lease.expiresAt = expiresAt;
      this.#leases.set(gateway, lease);
    }
    lease.renewals += 1;
  }

  /**
   * Sends what was just committed to every gateway with a lease.
   *
   * @param at.previousPublishedAt When the message before the first was published; 0 when there is none.
   */
  push(ranges: readonly MessageRange[], at: { nowMs: number; previousPublishedAt: number }): void {
    const identity = { stream: this.#stream, epoch: this.#epoch };
    const pushes: Push[] = [];
    for (const range of ranges) {
      const before = pushes.at(-1);
      const previousPublishedAt = before?.publishedAt ?? at.previousPublishedAt;
      const push: Push = { ...range, ...identity, previous: range.first - 1, previousPublishedAt };
      // What was committed at once is pushed at once: a call for each row would be paid for as well.
      if (before !== undefined && isMergeable(before, push)) {
        pushes.splice(-1, 1, merge(before, push));
      } else {
        pushes.push(push);
      }
    }
    for (const lease of this.#leases.values()) {
      if (lease.expiresAt <= at.nowMs) {
        this.#end(lease);
        continue;
      }
      pushes.forEach((push) => this.#offer(lease, push, at.nowMs));
    }
  }

  /** Tells every gateway the last sequence, in case a push was lost when the stream's object went down. */
  announce({ last, lastPublishedAt }: { last: number; lastPublishedAt: number }, nowMs: number): void {
    const nothing = { first: last + 1, last, publishedAt: lastPublishedAt, count: 0, bytes: 0, text: "" };
    this.push([nothing], { nowMs, previousPublishedAt: lastPublishedAt });
  }

  /** Deletes all leases from the table; part of the transaction that ends the epoch. */
  forget(): void {
    this.#ctx.storage.sql.exec("DELETE FROM gateways");
  }

  /**
   * Tells every gateway, and the others given, that this epoch of the stream ended. A gateway that misses it finds out
   * by its next `position` call.
   */
  end(reason: StreamEnd, others: ReadonlySet<string>): void {
    const gateways = [...new Set([...this.#leases.keys(), ...others])];
    // So a push under way that completes later finds no lease to delete.
    this.#leases.clear();
    const told = gateways.map((gateway) =>
      this.#namespace.getByName(gateway).streamEnded(this.#stream, this.#epoch, reason),
    );
    this.#ctx.waitUntil(Promise.allSettled(told));
  }

  #offer(lease: Lease, push: Push, nowMs: number): void {
    if (lease.sending !== undefined && lease.sending.sinceMs > nowMs - PUSH_DEADLINE_MS) {
      lease.waiting = lease.waiting === undefined ? push : merge(lease.waiting, push);
      return;
    }
    lease.waiting = push;
    this.#ctx.waitUntil(this.#send(lease));
  }

  /**
   * Sends the waiting push until none waits, or a later call took over after PUSH_DEADLINE_MS. Under steady load this
   * loop never ends, so it must not keep anything of one push to the next.
   */
  async #send(lease: Lease): Promise<void> {
    while (lease.waiting !== undefined) {
      const push = lease.waiting;
      const sending = { sinceMs: Date.now() };
      lease.waiting = undefined;
      lease.sending = sending;
      const { renewals } = lease;
      try {
        lease.stub ??= this.#namespace.getByName(lease.name);
        const isInterested = await lease.stub.deliver(push);
        if (!isInterested && lease.renewals === renewals && this.#leases.has(lease.name)) {
          this.#end(lease);
          return;
        }
      } catch {
        // Safe: the gateway is told the last sequence once more. If that is lost too, it detects the gap by `previous`
        // or by its next `position` call, or it crashed and has no followers any more. A stub stays broken after an
        // error.
        lease.stub = undefined;
        if (push.count > 0 && lease.waiting === undefined) {
          lease.waiting = announcement(push);
        }
      }
      if (lease.sending !== sending || !this.#leases.has(lease.name)) {
        return;
      }
      lease.sending = undefined;
    }
  }

  #end(lease: Lease): void {
    this.#leases.delete(lease.name);
    this.#ctx.storage.sql.exec("DELETE FROM gateways WHERE name = ?", lease.name);
  }
}

function newLease(name: string, expiresAt: number): Lease {
  return { name, expiresAt, renewals: 0, stub: undefined, sending: undefined, waiting: undefined };
}

/** A push with the last sequence and no messages. */
function announcement({ stream, epoch, last, publishedAt }: Push): Push {
  const at = { previous: last, previousPublishedAt: publishedAt, first: last + 1, last, publishedAt };
  return { stream, epoch, ...at, count: 0, bytes: 0, text: "" };
}

function isMergeable(earlier: Push, later: Push): boolean {
  const joins = earlier.count > 0 && later.count > 0 && earlier.last === later.previous;
  return joins && earlier.bytes + later.bytes <= MAX_WAITING_BYTES;
}

/** Two pushes as one; only the announcement of the later if there is a gap between them, or too much text. */
function merge(earlier: Push, later: Push): Push {
  if (!isMergeable(earlier, later)) {
    return announcement(later);
  }
  return {
    ...earlier,
    last: later.last,
    publishedAt: later.publishedAt,
    count: earlier.count + later.count,
    bytes: earlier.bytes + MESSAGE_SEPARATOR.length + later.bytes,
    text: earlier.text + MESSAGE_SEPARATOR + later.text,
  };
}
