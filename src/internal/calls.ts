import type { CheckpointParams, From, PutStateParams, StoredRange } from "../../rpc/index.ts";
import type { Refused } from "../platform/refused.ts";

import type { LargeText } from "./pieces.ts";
import type { ProducerRuns, PublishProducer } from "./producer-runs.ts";

/**
 * Params and results of native RPC between the Worker, the gateways and the streams. Payloads are JSON text, and lists
 * are parallel arrays of plain values: to serialize 256 strings in one array costs a third of 256 objects.
 *
 * The two ends of a call may be of different versions. A Durable Object goes on with the code that it runs for up to five
 * minutes after a deploy, or a day where that is configured
 * (developers.cloudflare.com/durable-objects/deployments/durable-objects-code-updates), and while a deployment is gradual
 * each object has one of two versions for as long as it takes
 * (developers.cloudflare.com/workers/versions-and-deployments/gradual-deployments/with-durable-objects). So, of every
 * method that an object has for others, and of all that crosses:
 *
 * - What there is keeps its meaning. Types get optional fields, and methods optional params at the end; a receiver passes
 *   over what it does not know, and a sender gets along with what is left out.
 * - What has to be understood, as a method or a kind of command, is taken by one version and used from the next one on, or
 *   its sender gets along with a receiver that does not know it.
 * - A version that stops to use a method still has it: it is removed in the one after that.
 *
 * A version is a release: a number in CHANGELOG.md. Whoever deploys from between two of them skips none
 * (docs/guides/deploying.md).
 */

/**
 * Publish requests to commit together. `bodies` and `bytes` have an element for each message, `counts` and `ids` one
 * for each request.
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
   * The caller of each request, as a number. When a request is refused and its caller will send it again, later
   * requests of that caller are refused too, so that they are not stored before it. Left out when no request can be
   * sent again.
   */
  lanes?: number[];
  /** Producers with their sequences; left out when no request has one. */
  producers?: ProducerRuns;
  /** Conditions of the requests that have one. */
  expectations?: Expectation[];
  /** How to refuse requests without messages, unless their id is known. */
  refusals?: Refusal[];
};

/** A condition of the request at index `request`; what is left out is not checked. */
export type Expectation = { request: number; lastSequence?: number | undefined; epoch?: string | undefined };

/** What became of each request of a {@link PublishCall}. */
export type PublishReply = {
  epoch: string;
  publishedAt: number;
  /**
   * The sequence of each request's first message; its other messages follow without a gap. 0 for a refused one, and for
   * one whose messages are in `ranges`.
   */
  firstSequences: number[];
  /** The requests whose id was known, and when they were first stored. */
  duplicates: { request: number; publishedAt: number; count: number }[];
  /** Where the messages are of requests that do not stand together, or whose place is known only about. */
  ranges?: { request: number; ranges: StoredRange[] }[];
  refusals: Refusal[];
};

/** A request that was not stored, and why. */
export type Refusal = Refused["refused"] & { request: number };

/** A putState with its document as JSON text. */
export type PutStateCall = PutStateParams & { state: string };

/** A checkpoint with its document as JSON text. */
export type CheckpointCall = CheckpointParams & { state: string };

/** One publish request on its way to a stream. */
export type PublishRequest = {
  bodies: string[];
  /** UTF-8 bytes of each body. */
  bytes: number[];
  id: string | undefined;
  producer?: PublishProducer;
  /** Undefined when the request has no condition. */
  expected: Omit<Expectation, "request"> | undefined;
  /** Why it is refused unless its id is known; it has no messages then. */
  refusal?: Refused["refused"];
};

/** The outcome of a publish request that was stored, now or earlier. */
export type Published = {
  epoch: string;
  firstSequence: number;
  lastSequence: number;
  publishedAt: number;
  duplicate: boolean;
  /** Left out when all messages stand together, in the place that is told. */
  ranges?: StoredRange[];
};

/** A range of sequences, and the messages in it that still exist. */
export type MessageRange = {
  first: number;
  /** One before `first` when the range is empty. */
  last: number;
  /** When `last` was published, even if it was deleted since; 0 when that is not known. */
  publishedAt: number;
  /** Messages in `text`; fewer than `last - first + 1` when some were deleted. */
  count: number;
  /** UTF-8 bytes of `text`. */
  bytes: number;
  text: string;
};

/** A page of a stream's log. It starts at the requested position, or at the stream's first message if that is later. */
export type Page = MessageRange &
  LargeText &
  Omit<Start, "nextSequence" | "notBefore" | "previousPublishedAt"> & {
    /**
     * Of a read with a filter: a stretch at that position in which all messages are there and none matches. The range begins
     * after it, and is empty when it goes to the end of the log. Left out when nothing was passed over.
     */
    passed?: { from: number; to: number } | undefined;
    /** Of a read with a filter: length of the lists of subjects that were looked through. */
    looked?: number | undefined;
  };

/**
 * What is to be read of a log.
 *
 * - `messages`: most sequences that the page covers.
 * - `bytes`: the page takes no further row that would exceed this much text.
 * - `epoch`: the epoch of `from`.
 * - `filter`: messages that do not match it may be passed over, as {@link Page.passed} says.
 * - `takesPieces`: whether the text may come in pieces, as {@link LargeText} says.
 */
export type PageCall = [
  from: From,
  messages: number,
  bytes: number,
  epoch?: string | undefined,
  filter?: string | undefined,
  takesPieces?: boolean,
];

/** What a read returns; undefined when the stream was never used. */
export type PageReply = Page | Refused | undefined;

/** A committed batch for a gateway. `previous` is the sequence before its first: by it a lost push is found. */
export type Push = MessageRange & { stream: string; epoch: string; previous: number; previousPublishedAt: number };

/** Where a new follower of a stream starts. */
export type Start = {
  epoch: string;
  nextSequence: number;
  lastSequence: number;
  /** A start time in the future, in ms since the epoch: messages published before it are skipped. */
  notBefore?: number;
  /** When the message before `nextSequence` was published; left out when nothing is known of it. */
  previousPublishedAt?: number;
  /** Requested sequences that are deleted. */
  skipped?: { from: number; to: number };
};
