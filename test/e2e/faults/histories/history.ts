/**
 * What clients saw of one stream, and a checker that tells which promises it breaks. It knows nothing of how the
 * history came about: crashes, retries and reconnects are only attempts and sessions to it.
 */
import type { Message } from "../../../../rpc/index.ts";

/** How one attempt to publish ended, as its client saw it. */
export type Outcome =
  | { kind: "stored"; epoch: string; firstSequence: number; lastSequence: number; duplicate: boolean }
  | { kind: "refused"; code: number }
  /** No answer before the socket closed, or OutcomeUnknown. */
  | { kind: "unknown" };

/** One sending of a publish. `order` counts what was sent on this socket to this stream, publishes of others included. */
export type Attempt = { socket: string; order: number; outcome: Outcome };

/** One publish or publishBatch with all its attempts; its messages carry {@link Payload} as their data. */
export type Publish = { id: string; messages: number; attempts: Attempt[] };

/** The data of a published message: which publish it is of, and its place in it. */
export type Payload = { publish: string; index: number };

/** One `messages` notification. */
type Delivery = { session: number; previous: number; messages: Message[] };

/** What one follower got over all its sessions, each of which began after the last message of the one before. */
export type Following = { name: string; wants: (message: Message) => boolean; deliveries: Delivery[] };

export type History = {
  /** Those that followers and readers were told. */
  epochs: string[];
  publishes: Publish[];
  followings: Following[];
  /** What was read of the log at earlier times. */
  reads: Message[][];
  /** The whole log in the end. */
  log: Message[];
};

/** A promise that may be broken. */
export type Claim =
  | "acknowledged is never lost"
  | "every publish is settled"
  | "refused is not stored"
  | "stored exactly once"
  | "all or nothing"
  | "only what was published"
  | "sequences are contiguous"
  | "a sequence has one message"
  | "order of a socket is kept"
  | "a socket leaves no hole"
  | "time does not go back"
  | "the epoch stays"
  | "a follower misses nothing"
  | "a follower gets nothing twice"
  | "a follower gets the order of the log"
  | "previous joins deliveries";

export type Violation = { claim: Claim; detail: string };

/** Lists every promise the history breaks; empty when it keeps them all. */
export function violations(history: History): Violation[] {
  const found: Violation[] = [];
  const report = (claim: Claim, detail: string): void => {
    found.push({ claim, detail });
  };
  checkLog(history, report);
  checkPublishes(history, report);
  checkSocketOrder(history, report);
  checkHoles(history, report);
  checkSequences(history, report);
  for (const following of history.followings) {
    checkFollowing(following, history.log, report);
  }
  checkEpochs(history, report);
  return found;
}

type Report = (claim: Claim, detail: string) => void;

function payloadOf(message: Message): Payload {
  return message.data as Payload;
}

function describe(message: Message): string {
  const { publish, index } = payloadOf(message);
  return `${message.sequence} = ${publish}[${index}]`;
}

/** The log by itself: from 1 on without a gap, in the order of time. */
function checkLog({ log }: History, report: Report): void {
  for (const [index, message] of log.entries()) {
    if (message.sequence !== index + 1) {
      report("sequences are contiguous", `${message.sequence} at place ${index + 1}`);
      return;
    }
    if (message.publishedAt < (log[index - 1]?.publishedAt ?? 0)) {
      report("time does not go back", `at ${describe(message)}`);
    }
  }
}

/** Each publish against the log: what became of it is what its client was told. */
function checkPublishes({ publishes, log }: History, report: Report): void {
  const stored = Map.groupBy(log, (message) => payloadOf(message).publish);
  for (const publish of publishes) {
    checkPublish(publish, stored.get(publish.id) ?? [], report);
    stored.delete(publish.id);
  }
  for (const messages of stored.values()) {
    report("only what was published", messages.map(describe).join(", "));
  }
}

function checkPublish({ id, messages, attempts }: Publish, stored: Message[], report: Report): void {
  const last = attempts.at(-1)?.outcome ?? { kind: "unknown" };
  const isTorn = stored.some(
    (message, index) =>
      payloadOf(message).index !== index % messages ||
      (index % messages > 0 && message.sequence !== (stored[index - 1]?.sequence ?? 0) + 1),
  );
  if (isTorn || stored.length % messages !== 0) {
    report("all or nothing", `${id} of ${messages}: ${stored.map(describe).join(", ")}`);
  }
  if (stored.length > messages) {
    report("stored exactly once", stored.map(describe).join(", "));
  }
  if (last.kind === "unknown") {
    report("every publish is settled", id);
  }
  if (last.kind === "refused" && stored.length > 0) {
    report("refused is not stored", stored.map(describe).join(", "));
  }
  for (const { outcome } of attempts) {
    if (outcome.kind !== "stored") {
      continue;
    }
    const [first] = stored;
    const isThere = stored.length >= messages && first?.sequence === outcome.firstSequence;
    if (!isThere || outcome.lastSequence !== outcome.firstSequence + messages - 1) {
      report("acknowledged is never lost", `${id} was at ${outcome.firstSequence} to ${outcome.lastSequence}`);
    }
  }
}

/** What one socket sent and that very sending stored has sequences in the order it was sent. */
function checkSocketOrder({ publishes, log }: History, report: Report): void {
  const sequenceOf = new Map<string, number>();
  for (const message of log.toReversed()) {
    sequenceOf.set(payloadOf(message).publish, message.sequence);
  }
  const sent = publishes.flatMap(({ id, attempts }) => {
    const attempt = storingAttempt(attempts);
    const sequence = sequenceOf.get(id);
    return attempt === undefined || sequence === undefined ? [] : [{ id, sequence, ...attempt }];
  });
  for (const [socket, ofSocket] of Map.groupBy(sent, (one) => one.socket)) {
    const inOrder = ofSocket.toSorted((a, b) => a.order - b.order);
    for (const [index, one] of inOrder.entries()) {
      const before = inOrder[index - 1];
      if (before !== undefined && before.sequence >= one.sequence) {
        report(
          "order of a socket is kept",
          `${socket}: ${before.id} at ${before.sequence}, then ${one.id} at ${one.sequence}`,
        );
      }
    }
  }
}

/**
 * What a crash cuts off is the end of what a socket sent: nothing is stored that was sent after something lost. The
 * lost is stored in the end, by another sending.
 */
function checkHoles({ publishes }: History, report: Report): void {
  const lost: Attempt[] = [];
  const lastStored = new Map<string, number>();
  for (const { attempts } of publishes) {
    const storing = storingAttempt(attempts);
    if (storing !== undefined) {
      lastStored.set(storing.socket, Math.max(storing.order, lastStored.get(storing.socket) ?? 0));
      lost.push(...attempts.slice(0, attempts.indexOf(storing)));
    }
  }
  for (const { socket, order, outcome } of lost) {
    const last = lastStored.get(socket) ?? 0;
    if (outcome.kind === "unknown" && order < last) {
      report(
        "a socket leaves no hole",
        `${socket}: what it sent as number ${order} is lost, and number ${last} stored`,
      );
    }
  }
}

/**
 * The attempt that stored a publish: the one that was answered first without being a duplicate, or else the one of
 * unknown outcome before it. Undefined when it could be one of several.
 */
function storingAttempt(attempts: readonly Attempt[]): Attempt | undefined {
  const answered = attempts.findIndex(({ outcome }) => outcome.kind === "stored");
  const answer = attempts[answered]?.outcome;
  if (answer?.kind !== "stored") {
    return undefined;
  }
  if (!answer.duplicate) {
    return attempts[answered];
  }
  const unknown = attempts.slice(0, answered).filter(({ outcome }) => outcome.kind === "unknown");
  return unknown.length === 1 ? unknown[0] : undefined;
}

/** Whoever saw a sequence, whenever, saw the same message. */
function checkSequences({ publishes, followings, reads, log }: History, report: Report): void {
  const messageAt = new Map<number, string>();
  const see = (sequence: number, publish: string, index: number): void => {
    const message = `${publish}[${index}]`;
    const known = messageAt.get(sequence);
    if (known !== undefined && known !== message) {
      report("a sequence has one message", `${sequence} = ${known} and ${message}`);
    }
    messageAt.set(sequence, message);
  };
  const delivered = followings.flatMap(({ deliveries }) => deliveries.map(({ messages }) => messages));
  for (const message of [log, ...reads, ...delivered].flat()) {
    const { publish, index } = payloadOf(message);
    see(message.sequence, publish, index);
  }
  for (const { id, messages, attempts } of publishes) {
    for (const { outcome } of attempts) {
      for (let index = 0; outcome.kind === "stored" && index < messages; index += 1) {
        see(outcome.firstSequence + index, id, index);
      }
    }
  }
}

function checkEpochs({ epochs, publishes }: History, report: Report): void {
  const answered = publishes
    .flatMap(({ attempts }) => attempts)
    .flatMap(({ outcome }) => (outcome.kind === "stored" ? [outcome.epoch] : []));
  const all = new Set([...epochs, ...answered]);
  if (all.size > 1) {
    report("the epoch stays", [...all].join(", "));
  }
}

/** A follower gets all it wants of the log, once, in order, over all its sessions; and could have noticed if not. */
function checkFollowing({ name, wants, deliveries }: Following, log: Message[], report: Report): void {
  const got = deliveries.flatMap(({ messages }) => messages.map((message) => message.sequence));
  const seen = new Set<number>();
  for (const [index, sequence] of got.entries()) {
    if (seen.has(sequence)) {
      report("a follower gets nothing twice", `${name}: ${sequence}`);
    } else if (sequence < (got[index - 1] ?? 0)) {
      report("a follower gets the order of the log", `${name}: ${sequence} after ${got[index - 1]}`);
    }
    seen.add(sequence);
  }
  const wanted = log.filter(wants).map((message) => message.sequence);
  const missing = wanted.filter((sequence) => !seen.has(sequence));
  if (missing.length > 0) {
    report("a follower misses nothing", `${name}: ${missing.length}, the first is ${missing[0]}`);
  }
  let before: { session: number; last: number } | undefined;
  for (const { session, previous, messages } of deliveries) {
    const last = before?.session === session ? before.last : 0;
    if (previous !== last) {
      report("previous joins deliveries", `${name}: previous is ${previous} after ${last}`);
    }
    before = { session, last: messages.at(-1)?.sequence ?? last };
  }
}
