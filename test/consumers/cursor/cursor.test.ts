import { describe, expect, test } from "vitest";

import { ConsumerCursor } from "../../../src/stream/consumers/cursor/cursor.ts";
import { UnsettledTotal } from "../../../src/stream/consumers/cursor/unsettled-total.ts";
import { UNSURE_WAIT_MS } from "../../../src/stream/consumers/cursor/types.ts";
import type { CursorConfig, LogPage } from "../../../src/stream/consumers/cursor/types.ts";

const START_MS = 1_000_000;
const ACK_WAIT_MS = 30_000;

function cursorWith(config: Partial<CursorConfig> = {}, total = new UnsettledTotal()): ConsumerCursor {
  const backoffMs = [1_000, 5_000];
  return new ConsumerCursor(
    { ackWaitMs: ACK_WAIT_MS, maxDeliver: 3, maxInFlight: 100, backoffMs, ...config },
    { nextSequence: 1 },
    total,
  );
}

/** Every sequence matches. */
function pageOf(from: number, through: number): LogPage {
  return { from, through, sequences: Array.from({ length: through - from + 1 }, (_, index) => from + index) };
}

type Offer = { holder?: string; through?: number; maxInFlight?: number; limit?: number; nowMs?: number };

/** Offers the log from where the cursor is up to `through`, and returns the sequences delivered. */
function offer(cursor: ConsumerCursor, options: Offer = {}): number[] {
  const { holder = "a", through = 0, maxInFlight = Infinity, limit = Infinity, nowMs = START_MS } = options;
  const page = through === 0 ? undefined : pageOf(cursor.nextSequence, through);
  return cursor.deliver({ holder, maxInFlight, limit, page, nowMs }).map(({ sequence }) => sequence);
}

/** Hands a suspect to a holder, and returns its sequence. */
function offerAlone(cursor: ConsumerCursor, holder: string, nowMs = START_MS): number | undefined {
  return cursor.deliverSuspect(holder, nowMs)?.sequence;
}

/** A cursor of whose first messages, up to `through`, each was twice at a holder that was lost with all of them. */
function cursorWithSuspects(through: number, config: Partial<CursorConfig> = {}): ConsumerCursor {
  const cursor = cursorWith({ backoffMs: [], ...config });
  for (const holder of ["first", "second"]) {
    offer(cursor, { holder, through });
    cursor.release({ holder, isLost: true, nowMs: START_MS });
  }
  return cursor;
}

describe("handing out", () => {
  test("keeps what all cursors of a stream have unsettled within their total, and gives each a few", () => {
    const total = new UnsettledTotal(10, 2);
    const [first, second] = [cursorWith({}, total), cursorWith({}, total)];

    expect(offer(first, { through: 100 })).toHaveLength(10);
    expect(offer(second, { through: 100 })).toEqual([1, 2]);
    expect(first.nak({ holder: "a", sequences: [1, 2, 3], nowMs: START_MS })).toEqual([]);
    expect(offer(second, { through: 100 })).toEqual([]);
    first.ack([1, 2, 3, 4]);

    expect(offer(second, { through: 100 })).toEqual([3, 4]);
    expect(total.size).toBe(10);
  });

  test("keeps what is in flight within the consumer's maxInFlight", () => {
    const cursor = cursorWith({ maxInFlight: 5 });

    const first = offer(cursor, { holder: "a", through: 10, maxInFlight: 3 });
    const second = offer(cursor, { holder: "b", through: 10 });
    const third = offer(cursor, { holder: "c", through: 10 });

    expect(first).toEqual([1, 2, 3]);
    expect(second).toEqual([4, 5]);
    expect(third).toEqual([]);
    expect(cursor.nextSequence).toBe(6);
  });

  test("reads on after a page without a match, and counts that as no change", () => {
    const cursor = cursorWith();
    const version = cursor.version;

    cursor.deliver({
      holder: "a",
      maxInFlight: 10,
      limit: 10,
      page: { from: 1, through: 500, sequences: [] },
      nowMs: START_MS,
    });

    expect(cursor.nextSequence).toBe(501);
    expect(cursor.info().ackFloor).toBe(500);
    expect(cursor.version).toBe(version);
  });

  test("refuses a page that would leave messages out", () => {
    const cursor = cursorWith();

    expect(() =>
      cursor.deliver({ holder: "a", maxInFlight: 1, limit: 1, page: pageOf(2, 9), nowMs: START_MS }),
    ).toThrow();
  });

  test("serves redeliveries that are due before new messages", () => {
    const cursor = cursorWith();
    offer(cursor, { through: 3 });
    cursor.nak({ holder: "a", sequences: [2], delayMs: 100, nowMs: START_MS });

    const before = offer(cursor, { holder: "b", through: 4, nowMs: START_MS + 99 });
    const after = offer(cursor, { holder: "b", through: 6, nowMs: START_MS + 100 });

    expect(before).toEqual([4]);
    expect(after).toEqual([2, 5, 6]);
  });

  test("holds back new messages while too many are unsettled", () => {
    const cursor = cursorWith({ maxInFlight: 2, maxUnsettled: 3 });
    offer(cursor, { through: 2 });
    cursor.nak({ holder: "a", sequences: [1, 2], nowMs: START_MS });

    expect(offer(cursor, { through: 9 })).toEqual([3]);
    expect(cursor.roomForNew).toBe(0);
  });

  test("delivers nothing while paused, and lets acks and deadlines count", () => {
    const cursor = cursorWith();
    offer(cursor, { through: 2 });

    cursor.setPaused(true);
    cursor.ack([1]);
    cursor.expire(START_MS + ACK_WAIT_MS);
    const whilePaused = offer(cursor, { through: 9, nowMs: START_MS + 60_000 });
    const deadline = cursor.nextDeadline(START_MS);
    cursor.setPaused(false);

    expect(whilePaused).toEqual([]);
    expect(deadline).toBeUndefined();
    expect(offer(cursor, { through: 3, nowMs: START_MS + 60_000 })).toEqual([2, 3]);
  });
});

describe("strict order", () => {
  test("waits for the redelivery of one message before it delivers the next", () => {
    const cursor = cursorWith({ maxInFlight: 1 });
    offer(cursor, { through: 5 });
    cursor.nak({ holder: "a", sequences: [1], delayMs: 500, nowMs: START_MS });

    const early = offer(cursor, { holder: "b", through: 5, nowMs: START_MS + 499 });
    const again = offer(cursor, { holder: "b", through: 5, nowMs: START_MS + 500 });
    cursor.ack([1]);
    const next = offer(cursor, { holder: "b", through: 5, nowMs: START_MS + 500 });

    expect(early).toEqual([]);
    expect(again).toEqual([1]);
    expect(next).toEqual([2]);
  });

  test("goes on after a dead letter", () => {
    const cursor = cursorWith({ maxInFlight: 1 });
    offer(cursor, { through: 5 });

    cursor.term({ sequences: [1], nowMs: START_MS });

    expect(offer(cursor, { through: 5 })).toEqual([2]);
  });

  test("delivers the lower of two requeued messages first, whichever was requeued first", () => {
    const cursor = cursorWith({ maxInFlight: 1, maxDeliver: 1 });
    for (const sequence of [1, 2]) {
      offer(cursor, { through: 2 });
      cursor.term({ sequences: [sequence], nowMs: START_MS });
    }

    cursor.requeue([2], START_MS);
    cursor.requeue([1], START_MS + 1);

    expect(offer(cursor, { nowMs: START_MS + 1 })).toEqual([1]);
  });
});

describe("settling", () => {
  test("settles by a late ack what is waiting or in flight at another holder", () => {
    const cursor = cursorWith();
    offer(cursor, { holder: "a", through: 2 });
    cursor.expire(START_MS + ACK_WAIT_MS);
    offer(cursor, { holder: "b", limit: 1, nowMs: START_MS + ACK_WAIT_MS + 1_000 });

    const settled = cursor.ack([1, 2]);

    expect(settled).toBe(2);
    expect(cursor.info()).toMatchObject({ ackFloor: 2, inFlight: 0, waiting: 0 });
  });

  test("takes a duplicate ack, and an ack of what was never delivered, for nothing", () => {
    const cursor = cursorWith();
    offer(cursor, { through: 2 });
    cursor.ack([1]);
    const version = cursor.version;

    const settled = cursor.ack([1, 1, 7]);

    expect(settled).toBe(0);
    expect(cursor.version).toBe(version);
    expect(offer(cursor, { through: 7 })).toEqual([3, 4, 5, 6, 7]);
  });

  test("settles through a sequence what this holder was given, but what it gave back", () => {
    const cursor = cursorWith();
    offer(cursor, { holder: "a", through: 3 });
    offer(cursor, { holder: "b", through: 6 });
    cursor.nak({ holder: "a", sequences: [2], nowMs: START_MS });

    cursor.ackThrough("a", 6);

    expect(cursor.info()).toMatchObject({ ackFloor: 1, inFlight: 3, waiting: 1 });
  });

  test("settles through a sequence also what was taken back from this holder in the meantime", () => {
    const cursor = cursorWith();
    offer(cursor, { holder: "a", through: 2 });
    cursor.expire(START_MS + ACK_WAIT_MS);
    offer(cursor, { holder: "b", limit: 1, nowMs: START_MS + ACK_WAIT_MS + 1_000 });

    cursor.ackThrough("a", 2);

    expect(cursor.info()).toMatchObject({ ackFloor: 2, inFlight: 0, waiting: 0 });
  });

  test("settles through a sequence for the last four holders of a message", () => {
    const cursor = cursorWith({ maxDeliver: 9, backoffMs: [] });
    for (const [index, holder] of ["a", "b", "c", "d", "e"].entries()) {
      cursor.expire(START_MS + index * ACK_WAIT_MS);
      offer(cursor, { holder, through: 1, nowMs: START_MS + index * ACK_WAIT_MS });
    }

    expect(cursor.ackThrough("a", 1)).toBe(0);
    expect(cursor.ackThrough("b", 1)).toBe(1);
  });

  test("keeps the floor below the lowest unsettled message", () => {
    const cursor = cursorWith();
    offer(cursor, { through: 5 });

    cursor.ack([1, 3, 4, 5]);

    expect(cursor.info().ackFloor).toBe(1);
  });
});

describe("redelivery", () => {
  test("waits the backoff of each delivery, the last one again and again, and dies after maxDeliver", () => {
    const cursor = cursorWith({ maxDeliver: 4 });
    const deliveredAt: number[] = [];
    let nowMs = START_MS;
    let dead = cursor.expire(nowMs);

    while (dead.length === 0) {
      if (offer(cursor, { through: 1, nowMs }).length > 0) {
        deliveredAt.push(nowMs - START_MS);
      }
      nowMs = cursor.nextDeadline(nowMs) ?? Infinity;
      dead = cursor.expire(nowMs);
    }

    expect(deliveredAt).toEqual([0, 31_000, 66_000, 101_000]);
    expect(dead).toEqual([{ sequence: 1, deliveries: 4, reason: "maxDeliver", deadAt: START_MS + 131_000 }]);
    expect(cursor.info().ackFloor).toBe(1);
  });

  test("counts the backoff from the deadline, however late it is noticed", () => {
    const cursor = cursorWith();
    offer(cursor, { through: 1 });

    cursor.expire(START_MS + ACK_WAIT_MS + 1_000);

    expect(offer(cursor, { nowMs: START_MS + ACK_WAIT_MS + 1_000 })).toEqual([1]);
  });

  test("ignores a nak and a working from a holder that no longer has the message", () => {
    const cursor = cursorWith();
    offer(cursor, { holder: "a", through: 1 });
    cursor.release({ holder: "a", isLost: true, nowMs: START_MS });
    offer(cursor, { holder: "b" });

    cursor.nak({ holder: "a", sequences: [1], nowMs: START_MS });
    cursor.working("a", [1], START_MS + 20_000);

    expect(cursor.inFlightOf("b")).toBe(1);
    expect(cursor.nextDeadline(START_MS)).toBe(START_MS + ACK_WAIT_MS);
  });

  test("restarts the ack deadline on working", () => {
    const cursor = cursorWith();
    offer(cursor, { through: 1 });

    cursor.working("a", [1], START_MS + 20_000);
    cursor.expire(START_MS + ACK_WAIT_MS);

    expect(cursor.info().inFlight).toBe(1);
    expect(cursor.nextDeadline(START_MS)).toBe(START_MS + 20_000 + ACK_WAIT_MS);
  });

  test("makes what a closed holder had due at once, or dead after its last delivery", () => {
    const cursor = cursorWith({ maxDeliver: 2 });
    offer(cursor, { holder: "a", through: 2 });
    cursor.ack([2]);

    const first = cursor.release({ holder: "a", isLost: true, nowMs: START_MS + 1 });
    const again = offer(cursor, { holder: "b", nowMs: START_MS + 1 });
    const second = cursor.release({ holder: "b", isLost: true, nowMs: START_MS + 2 });

    expect(first).toEqual([]);
    expect(again).toEqual([1]);
    expect(second).toEqual([{ sequence: 1, deliveries: 2, reason: "maxDeliver", deadAt: START_MS + 2 }]);
  });

  test("does not count a delivery that was never sent, and makes it due at once", () => {
    const cursor = cursorWith({ maxDeliver: 1 });
    offer(cursor, { holder: "a", through: 2 });

    cursor.revertDelivery("a", [1], START_MS + 1);
    const dead = cursor.release({ holder: "a", isLost: true, nowMs: START_MS + 1 });
    const again = cursor.deliver({ holder: "b", maxInFlight: 9, limit: 9, nowMs: START_MS + 1 });

    expect(dead.map(({ sequence }) => sequence)).toEqual([2]);
    expect(again).toEqual([{ sequence: 1, deliveryCount: 1 }]);
    expect(cursor.info().redelivered).toBe(0);
  });

  test.each([
    ["UNSURE_WAIT_MS", [], UNSURE_WAIT_MS],
    ["its backoff", [5_000], 5_000],
  ])("brings again after %s what was perhaps never sent, and never buries it for that", (_name, backoffMs, waitMs) => {
    const cursor = cursorWith({ maxDeliver: 2, backoffMs });
    offer(cursor, { through: 1 });
    let nowMs = START_MS;
    const counts: (number | undefined)[] = [];

    for (let attempt = 0; attempt < 4; attempt += 1) {
      cursor.markUncertain("a", [1], nowMs);
      expect(cursor.dueSequences(nowMs + waitMs - 1, 1)).toEqual([]);
      nowMs += waitMs;
      counts.push(cursor.deliver({ holder: "a", maxInFlight: 9, limit: 9, nowMs })[0]?.deliveryCount);
    }
    const dead = cursor.nak({ holder: "a", sequences: [1], nowMs });

    const again = cursor.deliver({ holder: "a", maxInFlight: 9, limit: 9, nowMs: nowMs + 5_000 });
    const deadAfter = cursor.nak({ holder: "a", sequences: [1], nowMs: nowMs + 5_000 });

    expect(counts).toEqual([2, 3, 4, 5]);
    expect(dead).toEqual([]);
    expect(again).toEqual([{ sequence: 1, deliveryCount: 6 }]);
    expect(deadAfter).toMatchObject([{ sequence: 1, deliveries: 6, reason: "maxDeliver" }]);
  });

  test("keeps what is on its way to a closed holder until it is known what became of it", () => {
    const cursor = cursorWith();
    offer(cursor, { holder: "a", through: 3 });

    const dead = cursor.release({ holder: "a", isLost: true, underway: new Set([2, 3]), nowMs: START_MS });
    const held = cursor.inFlightOf("a");
    cursor.revertDelivery("a", [2], START_MS + 1);
    const later = cursor.release({ holder: "a", isLost: true, nowMs: START_MS + 1 });

    expect([...dead, ...later]).toEqual([]);
    expect(held).toBe(2);
    expect(cursor.dueSequences(START_MS, 9)).toEqual([1]);
    expect(cursor.dueSequences(START_MS + 1, 9)).toEqual([1, 2, 3]);
    expect(cursor.holders).toEqual([]);
  });

  test("asks for no alarm for a redelivery that is due and only lacks room", () => {
    const cursor = cursorWith();
    offer(cursor, { through: 1 });

    cursor.release({ holder: "a", isLost: true, nowMs: START_MS });

    expect(cursor.dueSequences(START_MS, 10)).toEqual([1]);
    expect(cursor.nextDeadline(START_MS)).toBeUndefined();
  });

  test("delivers a requeued dead letter as if for the first time", () => {
    const cursor = cursorWith();
    offer(cursor, { through: 2 });
    cursor.term({ sequences: [1], reason: "bad data", nowMs: START_MS });

    const taken = cursor.requeue([1, 2, 9], START_MS);
    const deliveries = cursor.deliver({ holder: "b", maxInFlight: 10, limit: 10, nowMs: START_MS });

    expect(taken).toEqual([1]);
    expect(deliveries).toEqual([{ sequence: 1, deliveryCount: 1 }]);
  });
});

describe("suspicion", () => {
  test.each([
    ["is lost", (cursor: ConsumerCursor, holder: string) => cursor.release({ holder, isLost: true, nowMs: START_MS })],
    ["lets the deadlines pass", (cursor: ConsumerCursor) => cursor.expire(START_MS + ACK_WAIT_MS)],
  ])(
    "counts nothing when a holder %s with several in flight, and delivers each alone from the second time on",
    (_, fail) => {
      const cursor = cursorWith({ maxDeliver: 1, backoffMs: [] });
      const nowMs = START_MS + ACK_WAIT_MS;
      offer(cursor, { holder: "a", through: 3 });
      const dead = fail(cursor, "a");
      const second = offer(cursor, { holder: "b", nowMs: START_MS + ACK_WAIT_MS });
      const deadAgain = [...cursor.expire(START_MS + 2 * ACK_WAIT_MS), ...fail(cursor, "b")];

      expect([...dead, ...deadAgain]).toEqual([]);
      expect(second).toEqual([1, 2, 3]);
      expect(offer(cursor, { holder: "c", through: 5, nowMs: nowMs * 2 })).toEqual([4, 5]);
      expect(offerAlone(cursor, "d", nowMs * 2)).toBe(1);
      expect(offerAlone(cursor, "e", nowMs * 2)).toBe(2);
      expect(cursor.info()).toMatchObject({ inFlight: 4, waiting: 1, redelivered: 3 });
    },
  );

  test("gives a suspect to nobody with something in flight, and nothing to whoever has a suspect", () => {
    const cursor = cursorWithSuspects(2);
    offer(cursor, { holder: "a", through: 3 });

    const beside = offerAlone(cursor, "a");
    const alone = offerAlone(cursor, "b");
    const second = offerAlone(cursor, "b");
    const other = offer(cursor, { holder: "b", through: 9 });
    cursor.ack([1]);

    expect([beside, alone, second]).toEqual([undefined, 1, undefined]);
    expect(other).toEqual([]);
    expect(cursor.roomOf("b", 5)).toBe(5);
    expect(offerAlone(cursor, "b")).toBe(2);
  });

  test("counts what fails alone, and buries it after maxDeliver of those", () => {
    const cursor = cursorWithSuspects(2, { maxDeliver: 2 });

    offerAlone(cursor, "a");
    const first = cursor.release({ holder: "a", isLost: true, nowMs: START_MS });
    offerAlone(cursor, "b");
    const second = cursor.expire(START_MS + ACK_WAIT_MS);

    expect(first).toEqual([]);
    expect(second).toMatchObject([{ sequence: 1, deliveries: 4, reason: "maxDeliver" }]);
    expect(cursor.info()).toMatchObject({ inFlight: 0, waiting: 1 });
  });

  test("counts and suspects nothing when its holder leaves in order, however often", () => {
    const cursor = cursorWith({ maxDeliver: 1 });
    const counts: number[] = [];

    for (let time = 0; time < 5; time += 1) {
      const holder = `holder-${time}`;
      const page = time === 0 ? pageOf(1, 2) : undefined;
      const delivered = cursor.deliver({ holder, maxInFlight: 9, limit: 9, page, nowMs: START_MS });
      counts.push(...delivered.map(({ deliveryCount }) => deliveryCount));
      expect(cursor.release({ holder, isLost: false, nowMs: START_MS })).toEqual([]);
    }

    expect(counts).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    expect(cursor.dueSequences(START_MS, 9)).toEqual([1, 2]);
  });

  test("falls on nothing that its holder passed over: that counts at each deadline", () => {
    const cursor = cursorWith({ maxDeliver: 2, backoffMs: [0] });
    let [nowMs, last] = [START_MS, 9];
    offer(cursor, { through: 9, nowMs });

    for (let time = 1; time <= 2; time += 1) {
      // All but 5 are settled as they come, whatever their order.
      cursor.ack(Array.from({ length: last }, (_, index) => index + 1).filter((sequence) => sequence !== 5));
      last += 2;
      nowMs += ACK_WAIT_MS - 1;
      offer(cursor, { through: last, nowMs });
      nowMs += 1;
      const dead = cursor.expire(nowMs);
      expect(dead.map(({ sequence }) => sequence)).toEqual(time === 2 ? [5] : []);
      expect(cursor.dueSequences(nowMs, 9)).toEqual(time === 2 ? [] : [5]);
      offer(cursor, { through: last + 1, nowMs });
      last += 1;
    }
  });

  test.each([
    ["works on an earlier one meanwhile", (cursor: ConsumerCursor, nowMs: number) => cursor.working("a", [1], nowMs)],
    ["settles earlier ones meanwhile", (cursor: ConsumerCursor) => cursor.ack([1, 2])],
  ])("falls on what waits while its holder %s", (_name, act) => {
    const cursor = cursorWith({ maxDeliver: 1, backoffMs: [] });
    offer(cursor, { holder: "a", through: 9 });
    act(cursor, START_MS + ACK_WAIT_MS / 2);

    const dead = cursor.expire(START_MS + ACK_WAIT_MS);

    expect(dead).toEqual([]);
    expect(cursor.info().waiting).toBeGreaterThanOrEqual(7);
  });

  test("ends with a nak, which counts", () => {
    const cursor = cursorWithSuspects(2);
    offerAlone(cursor, "a");

    cursor.nak({ holder: "a", sequences: [1], nowMs: START_MS });

    expect(cursor.dueSequences(START_MS, 9)).toEqual([1]);
    expect(cursor.dueSuspect(START_MS)).toBe(2);
  });

  test("waits the backoff of a first delivery, for none counts yet", () => {
    const cursor = cursorWith({ backoffMs: [1_000, 5_000] });
    offer(cursor, { through: 2 });
    cursor.expire(START_MS + ACK_WAIT_MS);
    const nowMs = START_MS + ACK_WAIT_MS + 1_000;
    offer(cursor, { nowMs });

    cursor.expire(nowMs + ACK_WAIT_MS);

    expect(cursor.nextDeadline(nowMs + ACK_WAIT_MS)).toBe(nowMs + ACK_WAIT_MS + 1_000);
  });

  test("has a suspect's time awaited although another redelivery is due and lacks room", () => {
    const cursor = cursorWith({ backoffMs: [1_000] });
    for (const nowMs of [START_MS, START_MS + ACK_WAIT_MS + 1_000]) {
      offer(cursor, { holder: "a", through: 2, nowMs });
      cursor.expire(nowMs + ACK_WAIT_MS);
    }
    const nowMs = START_MS + 2 * ACK_WAIT_MS + 1_000;
    offer(cursor, { holder: "b", through: 3, nowMs });
    cursor.release({ holder: "b", isLost: true, nowMs });

    expect(cursor.dueSequences(nowMs, 9)).toEqual([3]);
    expect(cursor.nextDeadline(nowMs)).toBe(nowMs + 1_000);
  });

  test("is kept across a restart, in flight and waiting", () => {
    const config = { ackWaitMs: ACK_WAIT_MS, maxDeliver: 3, maxInFlight: 100, backoffMs: [] };
    const before = cursorWithSuspects(3, config);
    offerAlone(before, "a");

    const after = ConsumerCursor.fromStored(
      config,
      JSON.parse(JSON.stringify(before.toStored())),
      new UnsettledTotal(),
    );

    expect(after.roomOf("a", 9)).toBe(0);
    expect(after.dueSequences(START_MS, 9)).toEqual([]);
    expect(after.deliverSuspect("b", START_MS)).toEqual({ sequence: 2, deliveryCount: 3 });
    expect(after.toStored().runs).toHaveLength(3);
  });

  test("makes no difference in strict order, where everything is delivered alone", () => {
    const stored = cursorWithSuspects(2).toStored();
    const config = { ackWaitMs: ACK_WAIT_MS, maxDeliver: 3, maxInFlight: 1, backoffMs: [] };
    const cursor = ConsumerCursor.fromStored(config, stored, new UnsettledTotal());

    expect(cursor.dueSuspect(START_MS)).toBeUndefined();
    expect(offer(cursor, { holder: "a" })).toEqual([1]);
  });
});

describe("deletion and seek", () => {
  test("counts what was deleted before it was settled, seen or not, and goes on", () => {
    const cursor = cursorWith();
    offer(cursor, { through: 4 });
    cursor.ack([1, 3]);

    cursor.trim(10, { from: 5, to: 9, total: 3 });
    cursor.lose([12]);

    expect(cursor.info()).toMatchObject({ ackFloor: 10, inFlight: 0, lost: { from: 2, to: 12, total: 6 } });
    expect(offer(cursor, { through: 11 })).toEqual([11]);
  });

  test("starts over from a sequence, with everything unsettled forgotten", () => {
    const cursor = cursorWith();
    offer(cursor, { through: 6 });
    cursor.ack([5]);

    cursor.seek(4);
    const lateAck = cursor.ack([6]);

    expect(lateAck).toBe(0);
    expect(cursor.info()).toMatchObject({ ackFloor: 3, inFlight: 0 });
    expect(offer(cursor, { through: 6 })).toEqual([4, 5, 6]);
  });
});

describe("stored form", () => {
  test("keeps holders, deadlines and delivery counts across a restart", () => {
    const config = { ackWaitMs: ACK_WAIT_MS, maxDeliver: 3, maxInFlight: 100, backoffMs: [] };
    const before = new ConsumerCursor(config, { nextSequence: 1 }, new UnsettledTotal());
    offer(before, { holder: "a", through: 3 });
    before.nak({ holder: "a", sequences: [2], delayMs: 5, nowMs: START_MS });

    const after = ConsumerCursor.fromStored(
      config,
      JSON.parse(JSON.stringify(before.toStored())),
      new UnsettledTotal(),
    );

    expect(after.info()).toEqual(before.info());
    expect(after.inFlightOf("a")).toBe(2);
    expect(after.nextDeadline(START_MS)).toBe(START_MS + 5);
    expect(after.deliver({ holder: "b", maxInFlight: 9, limit: 9, nowMs: START_MS + 5 })).toEqual([
      { sequence: 2, deliveryCount: 2 },
    ]);
  });

  test("writes a page in flight at one holder as one run", () => {
    const cursor = cursorWith({ maxInFlight: 10_000 });
    offer(cursor, { through: 10_000 });

    expect(cursor.toStored().runs).toHaveLength(1);
    expect(JSON.stringify(cursor.toStored()).length).toBeLessThan(200);
  });
});
