/**
 * A right, which permits a group of methods: `read` and follow a stream, `publish` to it, write its `state`, `consume` a share
 * of a consumer, `manage` a stream's config and its consumers, read and write objects.
 */
export type MethodRight = "read" | "publish" | "state" | "consume" | "manage" | "objects.read" | "objects.write";

/** How a right with `subjects` is held to them by a method that it permits. */
export type SubjectBound =
  /** Each message that is published has a subject that one of them matches. */
  | "published"
  /** What is followed or read has a filter, and one of them matches all that it matches. */
  | "followed"
  /** It hands out no message and changes none. */
  | "neither";

/** What a method acts on and how it is treated. The schemas of its params and result are in `METHODS`. */
export type MethodTraits = {
  /**
   * What it acts on, as its params name it: nothing, a stream, a list of streams, objects, or a subscription of the socket,
   * which was allowed when it was made.
   */
  readonly on: "server" | "stream" | "streams" | "object" | "subscription";
  /**
   * The right that it needs: none if left out; it may differ for a stream and a consumer. `itself` is of no group: a right
   * has to name the method.
   */
  readonly right?: MethodRight | "itself" | { readonly stream: MethodRight; readonly consumer: MethodRight };
  /** Left out: a right with `subjects` does not permit it. To share a consumer it never does. */
  readonly bySubject?: SubjectBound;
  /** Changes nothing: it is safe to repeat, and a failure is Unavailable, never OutcomeUnknown. */
  readonly reads?: true;
  /** Works on a WebSocket only. Elsewhere it is NeedsSocket. */
  readonly needsSocket?: true;
  /**
   * Adjacent calls of a batch are executed together, in order, without waiting for each other's answers. A `publish` keeps
   * its order among the caller's publishes to the stream, and its id makes it safe to repeat. An `ack` makes room and costs
   * little, so it does not count as a request in flight.
   */
  readonly gathered?: "publish" | "ack";
  /** Its answer may be a page or a body: few of these may be in flight on a socket. */
  readonly largeAnswer?: true;
  /** Takes as long as its work takes: no deadline of the server ends it, so it says nothing about the server's health. */
  readonly unbounded?: true;
};

/** To subscribe to a stream needs `read`, to a consumer `consume`. */
const FOLLOW = { stream: "read", consumer: "consume" } as const;

/**
 * The traits of every method, in the order of the documentation. They are apart from `METHODS`, which includes them, because
 * the client needs the traits, and the schemas would double its size.
 */
export const METHOD_TRAITS = {
  getServerInfo: { on: "server", reads: true },
  "rpc.discover": { on: "server", reads: true, largeAnswer: true },
  publish: { on: "stream", right: "publish", bySubject: "published", gathered: "publish" },
  publishBatch: { on: "stream", right: "publish", bySubject: "published", gathered: "publish" },
  getMessages: { on: "stream", right: "read", bySubject: "followed", reads: true, largeAnswer: true },
  deleteMessages: { on: "stream", right: "manage" },
  getProducer: { on: "stream", right: "publish", bySubject: "neither", reads: true },
  listProducers: { on: "stream", right: "read", reads: true, largeAnswer: true },
  listStreams: { on: "streams", right: "read", bySubject: "neither", reads: true, largeAnswer: true },
  getStreamInfo: { on: "stream", right: "read", bySubject: "neither", reads: true },
  configureStream: { on: "stream", right: "manage" },
  deleteStream: { on: "stream", right: "manage" },
  getState: { on: "stream", right: "read", reads: true, largeAnswer: true },
  putState: { on: "stream", right: "state" },
  checkpoint: { on: "stream", right: "state" },
  subscribe: { on: "stream", right: FOLLOW, bySubject: "followed", needsSocket: true },
  unsubscribe: { on: "subscription", right: FOLLOW, needsSocket: true },
  ack: { on: "subscription", right: FOLLOW, needsSocket: true, gathered: "ack" },
  nak: { on: "subscription", right: "consume", needsSocket: true, gathered: "ack" },
  term: { on: "subscription", right: "consume", needsSocket: true, gathered: "ack" },
  working: { on: "subscription", right: "consume", needsSocket: true, gathered: "ack" },
  createConsumer: { on: "stream", right: "manage" },
  updateConsumer: { on: "stream", right: "manage" },
  getConsumer: { on: "stream", right: "consume", reads: true },
  listConsumers: { on: "stream", right: "consume", reads: true, largeAnswer: true },
  deleteConsumer: { on: "stream", right: "manage" },
  pauseConsumer: { on: "stream", right: "manage" },
  seekConsumer: { on: "stream", right: "manage" },
  fetchMessages: { on: "stream", right: "consume", largeAnswer: true },
  ackMessages: { on: "stream", right: "consume" },
  getDeadLetters: { on: "stream", right: "manage", reads: true, largeAnswer: true },
  retryDeadLetters: { on: "stream", right: "manage" },
  deleteDeadLetters: { on: "stream", right: "manage" },
  headObject: { on: "object", right: "objects.read", reads: true },
  getObject: { on: "object", right: "objects.read", reads: true, largeAnswer: true },
  putObject: { on: "object", right: "objects.write" },
  deleteObject: { on: "object", right: "objects.write" },
  listObjects: { on: "object", right: "objects.read", reads: true, largeAnswer: true },
  createObjectUrl: { on: "object", right: "objects.read", reads: true },
  createUpload: { on: "object", right: "objects.write" },
  uploadPart: { on: "object", right: "objects.write" },
  completeUpload: { on: "object", right: "objects.write", unbounded: true },
  abortUpload: { on: "object", right: "objects.write" },
  issueToken: { on: "server", right: "itself", reads: true },
  authenticate: { on: "server", needsSocket: true },
} as const satisfies Record<string, MethodTraits>;

/** The name of a method of the contract. */
export type MethodName = keyof typeof METHOD_TRAITS;

/** The methods that work on a WebSocket only: those of subscriptions, and of the socket's own token. */
export type SocketMethod = {
  [M in MethodName]: (typeof METHOD_TRAITS)[M] extends { readonly needsSocket: true } ? M : never;
}[MethodName];

/** The methods that need no WebSocket: they may also be called over HTTP and through a service binding. */
export type CallableMethod = Exclude<MethodName, SocketMethod>;

/** The names of {@link CallableMethod}, in the order of the contract. */
export const CALLABLE_METHODS: readonly CallableMethod[] = Object.keys(METHOD_TRAITS).filter(isCallableMethod);

/** Whether a name is that of a method of the contract. */
export function isMethodName(name: string): name is MethodName {
  return Object.hasOwn(METHOD_TRAITS, name);
}

/** The traits of a method; undefined when the contract has no such method. */
export function traitsOf(name: string): MethodTraits | undefined {
  return isMethodName(name) ? METHOD_TRAITS[name] : undefined;
}

function isCallableMethod(name: string): name is CallableMethod {
  return isMethodName(name) && traitsOf(name)?.needsSocket !== true;
}
