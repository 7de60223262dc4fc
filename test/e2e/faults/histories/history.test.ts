import { describe, expect, test } from "vitest";

import type { Message } from "../../../../rpc/index.ts";

import { violations } from "./history.ts";
import type { Attempt, Claim, History, Outcome } from "./history.ts";

const EPOCH = "e1";

describe("the checker of a history", () => {
  test("finds nothing in a history that keeps every promise", () => {
    expect(violations(goodHistory())).toEqual([]);
  });

  const planted: [claim: Claim, how: string, plant: (history: History) => void][] = [
    ["acknowledged is never lost", "the log ends too early", (history) => history.log.pop()],
    [
      "acknowledged is never lost",
      "an answer names another sequence",
      (history) => setOutcome(history, "d", stored(8, 8)),
    ],
    ["every publish is settled", "the last attempt is unknown", (history) => setOutcome(history, "d", unknown())],
    ["refused is not stored", "it was", (history) => setOutcome(history, "d", { kind: "refused", code: -32_004 })],
    ["stored exactly once", "a retry stored it again", (history) => history.log.push(message(8, "c"))],
    ["all or nothing", "half a batch is stored", (history) => history.log.splice(2, 1)],
    [
      "all or nothing",
      "another message is between two of a batch",
      ({ log }) => log.splice(1, 3, message(2, "b", 0), message(3, "c"), message(4, "b", 1)),
    ],
    ["only what was published", "nobody sent it", (history) => history.log.push(message(8, "x"))],
    ["sequences are contiguous", "one is skipped", (history) => history.log.splice(-1, 1, message(9, "d"))],
    [
      "a sequence has one message",
      "a follower saw another one",
      (history) => history.followings[0]?.deliveries[0]?.messages.splice(0, 1, message(1, "x")),
    ],
    [
      "a sequence has one message",
      "it was read before a crash and given again after it",
      (history) => history.reads.push([message(7, "x")]),
    ],
    [
      "a sequence has one message",
      "two publishes were answered with it",
      (history) => setOutcome(history, "d", stored(6, 6)),
    ],
    [
      "order of a socket is kept",
      "two answers are swapped",
      (history) => {
        attempt(history, "a").order = 3;
        attempt(history, "b").order = 2;
      },
    ],
    [
      "order of a socket is kept",
      "what was stored without an answer is before what was sent earlier",
      (history) => {
        attempt(history, "c").order = 1;
      },
    ],
    [
      "a socket leaves no hole",
      "what was sent before the stored was lost, and stored by a retry",
      ({ publishes }) => {
        const [a] = publishes;
        a?.attempts.unshift({ socket: "s3", order: 0, outcome: unknown() });
      },
    ],
    [
      "time does not go back",
      "a message is older than the one before",
      ({ log }) => log.splice(3, 1, { ...message(4, "b", 2), publishedAt: 1 }),
    ],
    ["the epoch stays", "a follower was told another one", (history) => history.epochs.push("e2")],
    [
      "the epoch stays",
      "a publisher was told another one",
      (history) => setOutcome(history, "d", { ...stored(7, 7), epoch: "e2" }),
    ],
    ["a follower misses nothing", "one delivery is lost", (history) => history.followings[0]?.deliveries.splice(1, 1)],
    [
      "a follower gets nothing twice",
      "a session begins too early",
      (history) => history.followings[0]?.deliveries.at(-1)?.messages.unshift(message(5, "e")),
    ],
    [
      "a follower gets the order of the log",
      "two messages are swapped",
      (history) => history.followings[0]?.deliveries[1]?.messages.splice(0, 2, message(4, "b", 2), message(3, "b", 1)),
    ],
    [
      "previous joins deliveries",
      "it tells of a message that did not come",
      (history) => history.followings[0]?.deliveries.splice(1, 0, { session: 0, previous: 3, messages: [] }),
    ],
  ];

  test.for(planted)("finds a break of '%s': %s", ([claim, , plant]) => {
    const history = goodHistory();

    plant(history);

    expect(violations(history).map((violation) => violation.claim)).toContain(claim);
  });
});

/** One socket sends a, b (three messages) and c, whose answer a crash takes; another sends e; then c is sent again. */
function goodHistory(): History {
  const log = [
    message(1, "a"),
    message(2, "b", 0),
    message(3, "b", 1),
    message(4, "b", 2),
    message(5, "e"),
    message(6, "c"),
    message(7, "d"),
  ];
  return {
    epochs: [EPOCH, EPOCH],
    publishes: [
      { id: "a", messages: 1, attempts: [{ socket: "s1", order: 1, outcome: stored(1, 1) }] },
      { id: "b", messages: 3, attempts: [{ socket: "s1", order: 2, outcome: stored(2, 4) }] },
      {
        id: "c",
        messages: 1,
        attempts: [
          { socket: "s1", order: 4, outcome: unknown() },
          { socket: "s3", order: 1, outcome: { ...stored(6, 6), duplicate: true } },
        ],
      },
      { id: "d", messages: 1, attempts: [{ socket: "s3", order: 2, outcome: stored(7, 7) }] },
      { id: "e", messages: 1, attempts: [{ socket: "s2", order: 1, outcome: stored(5, 5) }] },
      { id: "f", messages: 2, attempts: [{ socket: "s2", order: 2, outcome: { kind: "refused", code: -32_004 } }] },
    ],
    followings: [
      {
        name: "all",
        wants: () => true,
        deliveries: [
          { session: 0, previous: 0, messages: log.slice(0, 2) },
          { session: 0, previous: 2, messages: log.slice(2, 5) },
          { session: 1, previous: 0, messages: log.slice(5) },
        ],
      },
    ],
    reads: [log.slice(0, 5)],
    log,
  };
}

function message(sequence: number, publish: string, index = 0): Message {
  return { sequence, publishedAt: 1000 + sequence, data: { publish, index } };
}

function stored(firstSequence: number, lastSequence: number): Outcome & { kind: "stored" } {
  return { kind: "stored", epoch: EPOCH, firstSequence, lastSequence, duplicate: false };
}

function unknown(): Outcome {
  return { kind: "unknown" };
}

function attempt(history: History, id: string): Attempt {
  const found = history.publishes.find((publish) => publish.id === id)?.attempts[0];
  if (found === undefined) {
    throw new Error(`there is no publish ${id}`);
  }
  return found;
}

function setOutcome(history: History, id: string, outcome: Outcome): void {
  attempt(history, id).outcome = outcome;
}
