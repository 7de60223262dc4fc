import type { CheckpointParams, PutStateParams } from "../../rpc/index.ts";
import type { Refused } from "../platform/refused.ts";

/**
 * What the Worker, the gateways and the streams say to each other by native RPC. Payloads are JSON text, and lists
 * are parallel arrays of plain values: 256 strings in one array cost a third of 256 objects.
 */

/**
 * Publish requests that are to be committed together: `bodies` and `bytes` have an element for each message, `counts`
 * and `ids` one for each request.
 */
export type PublishCall = {
  stream: string;
  /** Messages without their heads (`messageBody`). */
  bodies: string[];
  /** UTF-8 bytes of each body. */
  bytes: number[];
  /** How many messages each request has, in the order of `bodies`. */
  counts: number[];
  /** Dedup ids; left out when no request has one. */
  ids?: (string | null)[];
  /**
   * Requests of the same number are of the same caller, who sends one again that was refused for a time: those behind it
   * are not stored before it. Left out when none can be.
   */
  lanes?: number[];
  /** Conditions, of the few requests that have one. */
  expectations?: Expectation[];
  /** What is to be said of requests without messages, unless their id is known. */
  refusals?: Refusal[];
};

/** `request` is the index of the request in its call; what is left out may be anything. */
export type Expectation = { request: number; lastSequence?: number | undefined; epoch?: string | undefined };

/** What became of each request of a {@link PublishCall}. */
export type PublishReply = {
  epoch: string;
  publishedAt: number;
  /** The sequence of each request's first message; its other messages follow without a gap. 0 for a refused one. */
  firstSequences: number[];
  /** The requests whose id was known, with the time they were stored first. */
  duplicates: { request: number; publishedAt: number; count: number }[];
  refusals: Refusal[];
};

/** A request that was not stored, and why. */
export type Refusal = Refused["refused"] & { request: number };

/** A putState, its document as JSON text. */
export type PutStateCall = PutStateParams & { state: string };

/** A checkpoint, its document as JSON text. */
export type CheckpointCall = CheckpointParams & { state: string };

/** One publish request on its way to a stream. */
export type PublishRequest = {
  bodies: string[];
  /** UTF-8 bytes of each body. */
  bytes: number[];
  id: string | undefined;
  /** Undefined when it is stored wherever the stream is. */
  expected: Omit<Expectation, "request"> | undefined;
  /** Why it is refused unless its id is known; it has no messages then. */
  refusal?: Refused["refused"];
};

/** What became of one publish request that was stored, now or before. */
export type Published = {
  epoch: string;
  firstSequence: number;
  lastSequence: number;
  publishedAt: number;
  duplicate: boolean;
};

/** Consecutive sequences of a stream and those messages of them that exist. */
export type MessageRange = {
  first: number;
  /** One before `first` when the range is empty. */
  last: number;
  /** When `last` was published, whether or not it is there still; 0 when that is not known. */
  publishedAt: number;
  /** Messages in `text`; fewer than `last - first + 1` when some were deleted. */
  count: number;
  text: string;
};

/** A page of a stream's log. It starts where it was asked to, or at the stream's first message if that is later. */
export type Page = MessageRange & Omit<Start, "nextSequence" | "notBefore" | "previousPublishedAt">;

/** A committed batch on its way to a gateway; `previous` is the sequence before its first, and when it was published. */
export type Push = MessageRange & { stream: string; epoch: string; previous: number; previousPublishedAt: number };

/** Where a new follower of a stream starts. */
export type Start = {
  epoch: string;
  nextSequence: number;
  lastSequence: number;
  /** The log has not come to the time asked for: what is published before it, in ms since the epoch, is passed over. */
  notBefore?: number;
  /** When the message before `nextSequence` was published; left out when nothing is known of it. */
  previousPublishedAt?: number;
  /** What was asked for and is deleted. */
  skipped?: { from: number; to: number };
};
