/**
 * A group of methods that is allowed together: `read` a stream and follow it, `publish` to it, write its `state`,
 * `consume` a share of a consumer, `manage` what a stream keeps and its consumers, read and write objects.
 */
export type MethodRight = "read" | "publish" | "state" | "consume" | "manage" | "objects.read" | "objects.write";

/** What a method may do and how it is treated, without its params and result: the schemas of those are in `METHODS`. */
export type MethodTraits = {
  /** What its params name: nothing, a stream (`stream`), objects by their keys, or a subscription of the socket. */
  readonly on: "server" | "stream" | "object" | "subscription";
  /** The right that it needs, left out where everybody may; it may depend on what is followed. */
  readonly right?: MethodRight | { readonly stream: MethodRight; readonly consumer: MethodRight };
  /** Changes nothing: safe to repeat, and a failure half way is Unavailable, never OutcomeUnknown. */
  readonly reads?: true;
  /** Works on a WebSocket only: elsewhere it is NeedsSocket. */
  readonly needsSocket?: true;
  /**
   * Neighbours in a batch go together, in order, without waiting for each other's answers. A `publish` has its place
   * among the caller's publishes to the stream, and an id by which it is safe to repeat; an `ack` makes room and costs
   * little, so it does not count as a request in flight.
   */
  readonly gathered?: "publish" | "ack";
};

/** A stream is followed by who may read it, a consumer by who may take a share of it. */
const FOLLOW = { stream: "read", consumer: "consume" } as const;

/**
 * Every method by name, in the order of the documents: the only place that says what each may do. It stands apart from
 * `METHODS`, which spreads it in, because the client needs the traits, and the schemas would double its size.
 */
export const METHOD_TRAITS = {
  getServerInfo: { on: "server", reads: true },
  "rpc.discover": { on: "server", reads: true },
  publish: { on: "stream", right: "publish", gathered: "publish" },
  publishBatch: { on: "stream", right: "publish", gathered: "publish" },
  getMessages: { on: "stream", right: "read", reads: true },
  deleteMessages: { on: "stream", right: "manage" },
  getProducer: { on: "stream", right: "publish", reads: true },
  listProducers: { on: "stream", right: "read", reads: true },
  getStreamInfo: { on: "stream", right: "read", reads: true },
  configureStream: { on: "stream", right: "manage" },
  deleteStream: { on: "stream", right: "manage" },
  getState: { on: "stream", right: "read", reads: true },
  putState: { on: "stream", right: "state" },
  checkpoint: { on: "stream", right: "state" },
  subscribe: { on: "stream", right: FOLLOW, needsSocket: true },
  unsubscribe: { on: "subscription", right: FOLLOW, needsSocket: true },
  ack: { on: "subscription", right: FOLLOW, needsSocket: true, gathered: "ack" },
  nak: { on: "subscription", right: "consume", needsSocket: true, gathered: "ack" },
  term: { on: "subscription", right: "consume", needsSocket: true, gathered: "ack" },
  working: { on: "subscription", right: "consume", needsSocket: true, gathered: "ack" },
  createConsumer: { on: "stream", right: "manage" },
  updateConsumer: { on: "stream", right: "manage" },
  getConsumer: { on: "stream", right: "consume", reads: true },
  listConsumers: { on: "stream", right: "consume", reads: true },
  deleteConsumer: { on: "stream", right: "manage" },
  pauseConsumer: { on: "stream", right: "manage" },
  seekConsumer: { on: "stream", right: "manage" },
  fetchMessages: { on: "stream", right: "consume" },
  ackMessages: { on: "stream", right: "consume" },
  getDeadLetters: { on: "stream", right: "manage", reads: true },
  retryDeadLetters: { on: "stream", right: "manage" },
  deleteDeadLetters: { on: "stream", right: "manage" },
  headObject: { on: "object", right: "objects.read", reads: true },
  getObject: { on: "object", right: "objects.read", reads: true },
  putObject: { on: "object", right: "objects.write" },
  deleteObject: { on: "object", right: "objects.write" },
  listObjects: { on: "object", right: "objects.read", reads: true },
  createUpload: { on: "object", right: "objects.write" },
  uploadPart: { on: "object", right: "objects.write" },
  completeUpload: { on: "object", right: "objects.write" },
  abortUpload: { on: "object", right: "objects.write" },
} as const satisfies Record<string, MethodTraits>;

export type MethodName = keyof typeof METHOD_TRAITS;

/** The methods that belong to one socket: a subscription has them. */
export type SocketMethod = {
  [M in MethodName]: (typeof METHOD_TRAITS)[M] extends { readonly needsSocket: true } ? M : never;
}[MethodName];

/** The methods that may be called at any time: on whatever socket there is, over HTTP and through a service binding. */
export type CallableMethod = Exclude<MethodName, SocketMethod>;

/** The methods of {@link CallableMethod}, in the order of the contract. */
export const CALLABLE_METHODS: readonly CallableMethod[] = Object.keys(METHOD_TRAITS).filter(isCallableMethod);

/** Tells whether a name is a method of the contract. */
export function isMethodName(name: string): name is MethodName {
  return Object.hasOwn(METHOD_TRAITS, name);
}

/** The traits of a method by any name; undefined for one that is not of the contract. */
export function traitsOf(name: string): MethodTraits | undefined {
  return isMethodName(name) ? METHOD_TRAITS[name] : undefined;
}

function isCallableMethod(name: string): name is CallableMethod {
  return isMethodName(name) && traitsOf(name)?.needsSocket !== true;
}
