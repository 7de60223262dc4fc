/**
 * What client and server share beside the schemas: names, codes, bounds and defaults. They are apart from the schemas, so
 * that the client does not bundle valibot.
 */

/** The WebSocket subprotocol of this service. */
export const SUBPROTOCOL = "durable-stream.v1";

/** Prefix of a second subprotocol with the API key in base64url, because a browser can not set headers on a WebSocket. */
export const BEARER_SUBPROTOCOL = "bearer.";

/** Close codes of this service: those of RFC 6455 (section 7.4.1), then its own. */
export const CloseCode = {
  Normal: 1000,
  ProtocolError: 1002,
  UnsupportedData: 1003,
  TooBig: 1009,
  InternalError: 1011,
  /** No key or token, or a wrong one: the reason says which. It stands for status 401, which a browser does not see of a handshake. */
  Unauthenticated: 4401,
  /** The page is of an origin that the server does not allow. It stands for status 403. */
  Forbidden: 4403,
  /** The path of the URL is none, or its stream has no name that a stream can have. It stands for status 404. */
  NotFound: 4404,
  /** Nothing was received for `idleCloseMs`, on a socket that has sent `ping` before. */
  Idle: 4408,
  /** `outgoingCloseBytes` were unread. */
  SlowReader: 4413,
  /** Its subject has as many sockets as it may. It stands for status 429. */
  TooManySockets: 4429,
  /** No key is configured. It stands for status 503. */
  Unconfigured: 4503,
} as const;

export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** Defaults of `subscribe`; to a consumer only `maxInFlight` applies. */
export const SUBSCRIPTION_DEFAULTS = { maxInFlight: 256, ackWaitMs: 30_000, maxDeliver: 5 } as const;

/** Defaults of `createConsumer`. */
export const CONSUMER_DEFAULTS = {
  from: "first",
  ackWaitMs: 30_000,
  maxDeliver: 5,
  maxInFlight: 1_000,
  backoffMs: [1_000, 5_000, 30_000, 120_000],
} as const;

/** The config of a stream that was never configured: it has no bounds. */
export const STREAM_DEFAULTS = { discard: "old", duplicateWindowMs: 120_000, producerWindowMs: 604_800_000 } as const;

/** Default of `limit`. For methods that are not listed, the default is the maximum. */
export const PAGE_DEFAULTS = { fetchMessages: 100, listObjects: 100 } as const;

/** Range and default of the time that a signed URL lasts, in milliseconds. */
export const OBJECT_URL_MS = { least: 1_000, most: 86_400_000, default: 300_000 } as const;

/** Range of a nak's `delayMs`, in milliseconds. */
export const NAK_DELAY_MS = { least: 0, most: 86_400_000 } as const;

/** Range of the length of a term's `reason`. */
export const TERM_REASON_CHARACTERS = { least: 1, most: 256 } as const;
