/** The codes a JSON-RPC error of this service may carry (JSON-RPC 2.0 section 5.1, then ours). */
export const ErrorCode = {
  ParseError: -32_700,
  InvalidRequest: -32_600,
  MethodNotFound: -32_601,
  InvalidParams: -32_602,
  InternalError: -32_603,
  Unauthenticated: -32_001,
  Forbidden: -32_002,
  NotFound: -32_003,
  Conflict: -32_004,
  RateLimited: -32_005,
  TooLarge: -32_006,
  StorageFull: -32_007,
  OutcomeUnknown: -32_008,
  Unavailable: -32_009,
  EpochChanged: -32_010,
  LimitReached: -32_011,
  Busy: -32_012,
  NeedsSocket: -32_013,
} as const;

export type ErrorName = keyof typeof ErrorCode;
export type ErrorCode = (typeof ErrorCode)[ErrorName];

/** One fault of a params object: where it is (`messages.3.subject`, empty for the whole) and what was wrong. */
export type ParamsIssue = { path: string; reason: string };

/** The facts of any error; which of them are there depends on its name: {@link ErrorDataOf}. */
export type ErrorData = Readonly<Record<string, string | number | boolean | readonly ParamsIssue[] | ProducerState>>;

/** Where a producer is: its epoch, and its last sequence that is stored in it. */
export type ProducerState = { readonly epoch: number; readonly sequence: number };

/** No facts: the name says all. */
export type NoData = Readonly<Record<string, never>>;

/** The facts of each error, by its name. Those that are not always known are optional. */
export type ErrorDataOf = {
  ParseError: NoData;
  InvalidRequest: NoData;
  MethodNotFound: NoData;
  InvalidParams: {
    /** Each fault: where it is (`messages.3.subject`, empty for the whole) and what is wrong. At most 16. */
    readonly issues: readonly ParamsIssue[];
  };
  InternalError: {
    /** Finds the fault in the server's log. */
    readonly requestId?: string;
  };
  Unauthenticated: NoData;
  Forbidden: {
    /** The method that these credentials may not call. */
    readonly method?: string;
  };
  NotFound: {
    /** What is not there: `stream`, `consumer`, `subscription`, `lease`, `object`, `upload`, `part` or `path`. */
    readonly what?: string;
    /** Of `part`: its number. */
    readonly partNumber?: number;
    /** Of a subscription that has ended: why, as `subscriptionClosed` says it. */
    readonly reason?: string;
  };
  Conflict: {
    /** The last sequence of the stream now; of an ack, the last one that was sent on the subscription. */
    readonly lastSequence?: number;
    /** The revision of the state now: 0 before the first put. */
    readonly revision?: number;
    /** The first message of the stream now: a checkpoint has to cover everything before it. */
    readonly firstSequence?: number;
    /** The life that the sequence or revision is of; left out for a stream that was never used. */
    readonly epoch?: string;
    /** When the message before a position was stored, in milliseconds since the epoch: it is another than the caller's. */
    readonly previousPublishedAt?: number;
    /** Where the producer of a publish is: the epoch that has taken it over, or the last sequence that is stored. */
    readonly producer?: ProducerState;
    /** Whether there is an object of the key. */
    readonly exists?: boolean;
    /** The tag of the object, or of the part, that is there now. */
    readonly etag?: string;
    /** What is in the way: `upload`, `part`, or the option of a consumer that it was made with another value of. */
    readonly what?: string;
    /** Of `part`: its number. */
    readonly partNumber?: number;
    /** Of a consumer that was made with another one: its `from`; JSON text where it is an object. */
    readonly from?: string;
    /** Of a consumer that was made with another one: its `filter`. */
    readonly filter?: string;
    /** Of a consumer that was made with another one: its `ackWaitMs`. */
    readonly ackWaitMs?: number;
    /** Of a consumer that was made with another one: its `maxDeliver`. */
    readonly maxDeliver?: number;
    /** Of a consumer that was made with another one: its `maxInFlight`. */
    readonly maxInFlight?: number;
    /** Of a consumer that was made with another one: its `backoffMs`, as JSON text. */
    readonly backoffMs?: string;
  };
  RateLimited: {
    /** Milliseconds to wait before another try. */
    readonly retryAfterMs?: number;
    /** The bound that was reached. */
    readonly limit?: number;
  };
  TooLarge: {
    /** What is too large: the name of a limit of `getServerInfo`. */
    readonly what: string;
    /** The most that there may be: bytes where `what` ends in Bytes. */
    readonly limit: number;
    /** How large it is, in bytes, where that is known. */
    readonly size?: number;
    /** Another way to do it. */
    readonly use?: string;
  };
  StorageFull: NoData;
  OutcomeUnknown: {
    /** Finds the fault in the server's log, where it is one. */
    readonly requestId?: string;
    /** `upload` where an earlier try to complete one may have stored the object. */
    readonly what?: string;
    /** Of `upload`: whether there is an object of the key now. */
    readonly exists?: boolean;
    /** Of `upload`: the tag of the object that is there now. */
    readonly etag?: string;
  };
  Unavailable: {
    /** Finds the fault in the server's log, where it is one. */
    readonly requestId?: string;
  };
  EpochChanged: {
    /** The life of the stream now. */
    readonly epoch?: string;
    /** What became of the life that was meant: `deleted`, or `restored` where it was put back to an earlier state. */
    readonly reason?: string;
  };
  LimitReached: {
    /** What there is as much of as there may be: the name of a limit, or `maxMessages` or `maxBytes` of the stream. */
    readonly what: string;
    /** The most that there may be. */
    readonly limit: number;
  };
  Busy: {
    /** The most that may be in flight or wait. */
    readonly limit: number;
    /** What there is too much of, where it is not the requests of the socket. */
    readonly what?: string;
  };
  NeedsSocket: NoData;
};

/** What an error of a name may be made with; where the name is known only as it runs, any facts. */
export type ErrorFacts<Name extends ErrorName> = ErrorName extends Name ? ErrorData : ErrorDataOf[Name];

/** What each code means to a caller and what its `data` holds; the README's table is made from it. */
export const ERRORS: Readonly<Record<ErrorName, { meaning: string; data?: string }>> = {
  ParseError: { meaning: "the frame or body is not JSON" },
  InvalidRequest: { meaning: "JSON, but not a JSON-RPC 2.0 request" },
  MethodNotFound: { meaning: "no such method" },
  InvalidParams: { meaning: "the params do not fit the method", data: "`issues`: path and reason of each" },
  InternalError: { meaning: "a fault of the server", data: "`requestId`, to find it in the log" },
  Unauthenticated: { meaning: "no credentials, or wrong ones" },
  Forbidden: { meaning: "these credentials may not do this" },
  NotFound: { meaning: "the thing named does not exist", data: "`what`" },
  Conflict: {
    meaning: "an expectation did not hold; nothing was changed",
    data: "the actual value, and the `epoch` that a revision or sequence is of",
  },
  RateLimited: { meaning: "too much in too short a time; nothing was done", data: "`retryAfterMs`" },
  TooLarge: {
    meaning: "a size is above its limit; nothing was done",
    data: "`limit`, `what` is limited, and where there is another way, what to `use`",
  },
  StorageFull: { meaning: "the stream has no room; reads, acks and deletes still work" },
  OutcomeUnknown: {
    meaning: "it may or may not have happened; safe to repeat with the same `id`",
    data: "`requestId` of a fault that is in the log",
  },
  Unavailable: {
    meaning: "it was definitely not done; try again",
    data: "`requestId` of a fault that is in the log",
  },
  EpochChanged: {
    meaning: "the stream was deleted and made again, or put back to an earlier state; nothing was done",
    data: "`epoch`, and the `reason`: `deleted` or `restored`",
  },
  LimitReached: { meaning: "a count or a stream's own bound is reached", data: "`limit`, and `what` is limited" },
  Busy: { meaning: "too many requests in flight; nothing was done", data: "`limit`" },
  NeedsSocket: { meaning: "the method works on a WebSocket only" },
};

function isErrorName(name: string): name is ErrorName {
  return Object.hasOwn(ErrorCode, name);
}

/** Tells the name of a code of the table, or undefined for a code that is not ours. */
export function errorNameOf(code: number): ErrorName | undefined {
  return Object.keys(ErrorCode)
    .filter(isErrorName)
    .find((name) => ErrorCode[name] === code);
}

/**
 * An error a caller can act on. Its own properties survive native RPC, its class does not: on the far side
 * recognise it by {@link isRpcError}.
 */
export class RpcError<Name extends ErrorName = ErrorName> extends Error {
  readonly code: ErrorCode;
  readonly data?: ErrorData;

  constructor(name: Name, message: string, data?: ErrorFacts<Name>) {
    super(message);
    this.code = ErrorCode[name];
    if (data !== undefined) {
      this.data = data;
    }
  }
}

/** Tells whether a thrown value is an {@link RpcError}, also after it has crossed an RPC boundary. */
export function isRpcError(thrown: unknown): thrown is RpcError {
  return (
    thrown instanceof Error &&
    "code" in thrown &&
    typeof thrown.code === "number" &&
    errorNameOf(thrown.code) !== undefined
  );
}
