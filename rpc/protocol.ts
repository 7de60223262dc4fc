/**
 * What both sides of the wire rely on beside the schemas: names, codes, bounds and what a call has that does not say.
 * They stand apart from the schemas made of them, which the client does not bring along into every browser.
 */

/** The WebSocket subprotocol of this service. */
export const SUBPROTOCOL = "durable-stream.v1";

/** Begins a second subprotocol, which carries the key in base64url: a browser can set no header on a WebSocket. */
export const BEARER_SUBPROTOCOL = "bearer.";

/** Codes that this service closes sockets with, of RFC 6455 section 7.4.1 and of its own. */
export const CloseCode = {
  Normal: 1000,
  ProtocolError: 1002,
  UnsupportedData: 1003,
  TooBig: 1009,
  InternalError: 1011,
  /** No key, or a wrong one: 401 in HTTP, which a browser does not see of a handshake. */
  Unauthenticated: 4401,
  /** Silent for `idleCloseMs`, and `ping` was sent before. */
  Idle: 4408,
  /** `outgoingCloseBytes` were waiting to be sent. */
  SlowReader: 4413,
  /** No key is configured: 503 in HTTP. */
  Unconfigured: 4503,
} as const;

export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** What a subscription has when its `subscribe` does not say; of a consumer, `maxInFlight`. */
export const SUBSCRIPTION_DEFAULTS = { maxInFlight: 256, ackWaitMs: 30_000, maxDeliver: 5 } as const;

/** What a consumer has when its `createConsumer` does not say. */
export const CONSUMER_DEFAULTS = {
  from: "first",
  ackWaitMs: 30_000,
  maxDeliver: 5,
  maxInFlight: 1_000,
  backoffMs: [1_000, 5_000, 30_000, 120_000],
} as const;

/** The config of a stream that was never configured: no bound of its own. */
export const STREAM_DEFAULTS = { discard: "old", duplicateWindowMs: 120_000 } as const;

/** The `limit` of a call that names none; elsewhere it is the most that may be asked for. */
export const PAGE_DEFAULTS = { fetchMessages: 100, listObjects: 100 } as const;

/** How long a message may be kept back by a nak, in milliseconds. */
export const NAK_DELAY_MS = { least: 0, most: 86_400_000 } as const;

/** How long the reason of a term may be. */
export const TERM_REASON_CHARACTERS = { least: 1, most: 256 } as const;
