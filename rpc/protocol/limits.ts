import { CLIENT_LIMITS } from "./client-limits.ts";

/**
 * Every limit that a caller may reach, as `getServerInfo` returns them. `LIMIT_MEANINGS` says what each one bounds.
 *
 * Sizes are bytes of UTF-8 unless a name says otherwise; durations are milliseconds.
 */
export const LIMITS = {
  ...CLIENT_LIMITS,
  batchMessages: 500,
  batchAnswerBytes: 4_194_304,
  nesting: 32,
  subscriptions: 100,
  outgoingCloseBytes: 4_194_304,
  publishQueueBytes: 16_777_216,
  isolateBytes: 50_331_648,
  consumers: 100,
  consumerSubscriptions: 1_000,
  consumerLeases: 1_000,
  pageMessages: 500,
  pageBytes: 1_048_576,
  stateBytes: 262_144,
  streamBytes: 1_073_741_824,
  streamMaxBytes: 9_000_000_000,
  publishIds: 200_000,
  producers: 10_000,
  producerIdCharacters: 64,
  producerMessages: 10_000,
  pageProducers: 500,
  pageStreams: 1_000,
  objectBytesInFlight: 8_388_608,
  objectKeyBytes: 1024,
  objectMetadataBytes: 4096,
  pageObjects: 1000,
  uploadKeptMs: 604_800_000,
  closeMs: 5_000,
} as const;

export type LimitName = keyof typeof LIMITS;

/** The limits as a caller sees them: a number for each name. */
export type Limits = { readonly [Name in LimitName]: number };

/** What each limit bounds and what happens beyond it; the README's table is made from it. */
export const LIMIT_MEANINGS: Readonly<Record<LimitName, string>> = {
  frameBytes:
    "one WebSocket frame or HTTP body to the server; TooLarge beyond it, with status 413, or before the socket is closed with 1009",
  messageBytes: "one message: its data, subject, headers and id as JSON text; TooLarge beyond it",
  batchMessages: "messages in one publishBatch",
  batchCalls: "calls in one JSON-RPC batch; TooLarge beyond it",
  batchAnswerBytes:
    "answers of one JSON-RPC batch; beyond it further calls, except publishes and acks, are TooLarge and are not begun",
  nesting: "levels of arrays and objects in `params`, which is the first; TooLarge beyond it",
  requestsInFlight: "unanswered calls of one socket; one more is Busy. ack, nak, term and working are exempt",
  requestBytesInFlight:
    "text of the unanswered frames of one socket; calls of one more are Busy, but for those that are exempt. A single frame is never too much",
  largeAnswersInFlight:
    "unanswered calls of one socket whose answer may be large: a page, a state, a body, the contract. One more is Busy",
  subscriptions: "subscriptions of one socket; one more is LimitReached",
  maxInFlight: "the largest `maxInFlight`: messages sent and not acked, of a subscription or a consumer",

  outgoingPauseBytes:
    "unacked bytes at which a subscription is sent nothing until it acks, and buffered bytes at which a socket is sent nothing; fewer when many clients have not read",
  outgoingCloseBytes:
    "what a socket was sent and its client has not read: beyond it the socket is closed with 4413, on a runtime that has `bufferedAmount`. A socket of which nothing was read for two seconds, and a second more for each 256 KiB, is closed sooner: beyond 2.5 MiB, counting a KiB more for each unread frame, and beyond 64 KiB while the sockets of the isolate have half of `isolateBytes` unread. A large answer begins when it fits 2.25 MiB together with what is unread; it waits two seconds for that at most, and is Busy then",
  publishQueueBytes:
    "bytes waiting in one gateway to be committed, or behind a batch before them; publishes beyond it are Busy",
  isolateBytes:
    "what one isolate holds for its clients: a call beyond it is Busy, a body over HTTP is answered with 503. It counts what sockets were sent and have not read, closed ones too while their peers are there; large answers to sockets while they are made, six times; frames that are not answered, as they are in memory; what waits to be published; bodies of objects in calls, three times. Requests over HTTP have a third of it at most, and a twelfth for bodies of which less than 64 KiB has come: each body counts six times, and each answer above 64 KiB three times until it is taken",
  consumers: "consumers of one stream; one more is LimitReached",
  consumerSubscriptions: "subscriptions that share one consumer; one more is LimitReached",
  consumerLeases: "leases of one consumer that hold messages; one more is LimitReached",
  pageMessages: "messages in one page of a log, and in one deletion by `sequences`",
  pageBytes: "message text in one page of a log; a single larger batch is returned whole",
  stateBytes: "the state document of a stream; TooLarge beyond it",
  streamBytes:
    "what a stream without `maxBytes` may hold, unless the server is configured otherwise; StorageFull beyond it",
  streamMaxBytes: "the largest `maxBytes` of a stream",
  publishIds: "publish ids one stream remembers within its duplicate window; RateLimited beyond it",
  producers:
    "producers that one stream knows; a publish of one more is LimitReached until one of them is forgotten, `producerWindowMs` after its last message",
  producerIdCharacters: "the id of a producer",
  producerMessages:
    "the last messages of a producer whose repetition is answered with their sequences; an older one is a `duplicate` with the producer's last",
  pageProducers: "producers in one page of a listing",
  pageStreams: "streams in one page of a listing",
  objectBodyBytes: "the body of an object in one call, decoded: in base64 it fits a frame; TooLarge beyond it",
  objectBytesInFlight:
    "bodies of objects that the calls of one isolate hold at once, over all its sockets; one more is Busy, and nothing was done",
  objectBytes: "the body of an object over HTTP, the most that R2 takes in one put; TooLarge beyond it",
  objectKeyBytes: "the key of an object",
  objectMetadataBytes: "names and values of an object's custom metadata",
  pageObjects: "objects and prefixes in one page of a listing, and keys in one deleteObject",
  uploadParts: "parts of one upload",
  uploadKeptMs: "how long an upload that is not completed keeps its parts",
  requestDeadlineMs: "how long a request may take before it is answered with OutcomeUnknown or Unavailable",
  pingMs: "how often a client should send the text frame `ping`; it is answered with `pong` without waking the gateway",
  idleCloseMs:
    "silence after which a socket that has sent pings is closed with 4408, the next time that its gateway is awake",
  closeMs:
    "how long the server waits for the answer to its Close before it drops the connection; a gateway with other open sockets waits until the last of them is gone",
};

/** Whether a name is that of a limit. */
export function isLimitName(name: string): name is LimitName {
  return Object.hasOwn(LIMITS, name);
}
