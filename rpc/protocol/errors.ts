/** The error codes of this service: those of JSON-RPC 2.0 (section 5.1), then its own. */
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

/** Errors that any method may answer. */
export const COMMON_ERRORS: readonly ErrorName[] = [
  "InvalidParams",
  "Unauthenticated",
  "Forbidden",
  "InternalError",
  "Busy",
  "Unavailable",
];

/** One fault of a params object: where it is (`messages.3.subject`, empty for the whole) and what was wrong. */
export type ParamsIssue = { path: string; reason: string };

/** The facts of any error. {@link ErrorDataOf} says which ones each error has. */
export type ErrorData = Readonly<Record<string, string | number | boolean | readonly ParamsIssue[] | ProducerState>>;

/** Where a producer is: its epoch, and its last sequence that is stored in it. */
export type ProducerState = { readonly epoch: number; readonly sequence: number };

/** No facts. */
export type NoData = Readonly<Record<string, never>>;

/** The facts of each error, by its name. Facts that are not always known are optional. */
export type ErrorDataOf = {
  ParseError: NoData;
  InvalidRequest: NoData;
  MethodNotFound: NoData;
  InvalidParams: {
    /** Each fault: its path (`messages.3.subject`, empty for the whole) and what is wrong. At most 16. */
    readonly issues: readonly ParamsIssue[];
  };
  InternalError: {
    /** Id of the fault in the server's log. */
    readonly requestId?: string;
  };
  Unauthenticated: {
    /** `missing`, `scheme` (not Bearer), `malformed`, `wrong` (no key of the server), or of a token such as `expired`. */
    readonly reason?: string;
  };
  Forbidden: {
    /** The method that these credentials may not call. */
    readonly method?: string;
    /** The right that it needs. */
    readonly action?: string;
    /** The stream that it names. */
    readonly stream?: string;
    /** The object, or the prefix of a listing, that it names. */
    readonly key?: string;
  };
  NotFound: {
    /** What is not there: `stream`, `consumer`, `subscription`, `lease`, `object`, `upload`, `part`, `path` or `signingKey`. */
    readonly what?: string;
    /** Of `part`: its number. */
    readonly partNumber?: number;
    /** Of a subscription that has ended: the reason of its `subscriptionClosed`. */
    readonly reason?: string;
  };
  Conflict: {
    /** The last sequence of the stream; of an ack, the last one that was sent on the subscription. */
    readonly lastSequence?: number;
    /** The current revision of the state: 0 before the first put. */
    readonly revision?: number;
    /** The first message of the stream: a checkpoint has to cover everything before it. */
    readonly firstSequence?: number;
    /** The epoch that the sequence or revision belongs to; left out for a stream that was never used. */
    readonly epoch?: string;
    /** When the message before a position was stored, in milliseconds since the Unix epoch. It differs from the caller's. */
    readonly previousPublishedAt?: number;
    /** Where the producer of a publish is: the epoch that has taken it over, or the last sequence that is stored. */
    readonly producer?: ProducerState;
    /** Whether there is an object with this key. */
    readonly exists?: boolean;
    /** The current etag of the object or of the part. */
    readonly etag?: string;
    /** What conflicts: `upload`, `part`, or the option that the existing consumer has another value of. */
    readonly what?: string;
    /** Of `part`: its number. */
    readonly partNumber?: number;
    /** Of a consumer that exists with other options: its `from`; JSON text when it is an object. */
    readonly from?: string;
    /** Of a consumer that exists with other options: its `filter`. */
    readonly filter?: string;
    /** Of a consumer that exists with other options: its `ackWaitMs`. */
    readonly ackWaitMs?: number;
    /** Of a consumer that exists with other options: its `maxDeliver`. */
    readonly maxDeliver?: number;
    /** Of a consumer that exists with other options: its `maxInFlight`. */
    readonly maxInFlight?: number;
    /** Of a consumer that exists with other options: its `backoffMs`, as JSON text. */
    readonly backoffMs?: string;
  };
  RateLimited: {
    /** Milliseconds to wait before the next attempt. */
    readonly retryAfterMs?: number;
    /** The bound that was reached. */
    readonly limit?: number;
  };
  TooLarge: {
    /** The name of the limit, as in `getServerInfo`. */
    readonly what: string;
    /** The limit: in bytes when `what` ends in Bytes. */
    readonly limit: number;
    /** The actual size in bytes, when it is known. */
    readonly size?: number;
    /** What to use instead. */
    readonly use?: string;
  };
  StorageFull: NoData;
  OutcomeUnknown: {
    /** Id of the fault in the server's log, if it is a fault. */
    readonly requestId?: string;
    /** `upload` when an earlier attempt to complete it may have stored the object. */
    readonly what?: string;
    /** Of `upload`: whether there is an object with this key now. */
    readonly exists?: boolean;
    /** Of `upload`: the current etag of the object. */
    readonly etag?: string;
  };
  Unavailable: {
    /** Id of the fault in the server's log, if it is a fault. */
    readonly requestId?: string;
  };
  EpochChanged: {
    /** The current epoch of the stream. */
    readonly epoch?: string;
    /** Why the epoch that was meant has ended: the stream was `deleted`, or `restored` to an earlier state. */
    readonly reason?: string;
  };
  LimitReached: {
    /** The name of the limit, or `maxMessages` or `maxBytes` of the stream. */
    readonly what: string;
    /** The limit. */
    readonly limit: number;
  };
  Busy: {
    /** The most that may be in flight or queued. */
    readonly limit: number;
    /** The name of the limit, where it has one. */
    readonly what?: string;
    /** Milliseconds to wait before the next attempt, where that can be told. */
    readonly retryAfterMs?: number;
  };
  NeedsSocket: NoData;
};

/** The facts that an error may be made with: those of its name, or any facts when the type of the name is not narrowed. */
export type ErrorFacts<Name extends ErrorName> = ErrorName extends Name ? ErrorData : ErrorDataOf[Name];

/** What each error means to a caller and what its `data` holds; the reference is generated from it. */
export const ERRORS: Readonly<Record<ErrorName, { meaning: string; data?: string }>> = {
  ParseError: { meaning: "the frame or body is not JSON" },
  InvalidRequest: { meaning: "JSON, but not a JSON-RPC 2.0 request" },
  MethodNotFound: { meaning: "no such method" },
  InvalidParams: { meaning: "the params do not fit the method", data: "`issues`: path and reason of each" },
  InternalError: { meaning: "a fault of the server", data: "`requestId`, to find it in the log" },
  Unauthenticated: {
    meaning: "no credentials, or wrong ones",
    data: "`reason`, such as `missing`, `wrong` or `expired`",
  },
  Forbidden: {
    meaning: "these credentials may not do this",
    data: "`method`, the `action` that it needs, and the `stream` or `key` that it names, whether or not there is one",
  },
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
    meaning: "it may or may not have happened; safe to repeat with the same `producer` or `id`",
    data: "`requestId` of a fault that is in the log",
  },
  Unavailable: {
    meaning: "it was definitely not done; try again",
    data: "`requestId` of a fault that is in the log",
  },
  EpochChanged: {
    meaning: "the stream was deleted and made again, or restored to an earlier state; nothing was done",
    data: "`epoch`, and the `reason`: `deleted` or `restored`",
  },
  LimitReached: { meaning: "a count or a stream's own bound is reached", data: "`limit`, and `what` is limited" },
  Busy: {
    meaning: "too much in flight, or too slow; nothing was done",
    data: "`limit`, `what` is limited, and where it can be told `retryAfterMs`",
  },
  NeedsSocket: { meaning: "the method works on a WebSocket only" },
};

function isErrorName(name: string): name is ErrorName {
  return Object.hasOwn(ErrorCode, name);
}

const NAMES = new Map<number, ErrorName>(
  Object.keys(ErrorCode)
    .filter(isErrorName)
    .map((name) => [ErrorCode[name], name]),
);

/** The name of an error code; undefined for a code that is not in {@link ErrorCode}. */
export function errorNameOf(code: number): ErrorName | undefined {
  return NAMES.get(code);
}

/**
 * An error that a caller can act on. Its properties survive the RPC of Workers, its class does not: on the other side use
 * {@link isRpcError}.
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

/** Whether a thrown value is an {@link RpcError}, also after it has crossed an RPC boundary. */
export function isRpcError(thrown: unknown): thrown is RpcError {
  return (
    thrown instanceof Error &&
    "code" in thrown &&
    typeof thrown.code === "number" &&
    errorNameOf(thrown.code) !== undefined
  );
}
