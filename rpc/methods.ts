import type * as v from "valibot";

import * as consumer from "./consumer.ts";
import type { ErrorName } from "./errors.ts";
import * as message from "./message.ts";
import { isMethodName, METHOD_TRAITS } from "./method-traits.ts";
import type { MethodName, MethodTraits } from "./method-traits.ts";
import * as object from "./object.ts";
import * as server from "./server.ts";
import * as state from "./state.ts";
import * as stream from "./stream.ts";
import * as subscription from "./subscription.ts";

type Schema = v.GenericSchema;

/** One method of the contract: its traits and what it takes and gives. */
export type MethodSpec = MethodTraits & MethodContract;

/** What a method takes, gives and answers. */
type MethodContract = {
  readonly params: Schema;
  readonly result: Schema;
  readonly description: string;
  /** Errors beside those any method may answer (see `COMMON_ERRORS`). */
  readonly errors: readonly ErrorName[];
};

/** Errors that any method may answer. */
export const COMMON_ERRORS: readonly ErrorName[] = ["InvalidParams", "InternalError", "Busy", "Unavailable"];

const PUBLISH_ERRORS = [
  "Conflict",
  "NotFound",
  "EpochChanged",
  "TooLarge",
  "LimitReached",
  "StorageFull",
  "RateLimited",
  "OutcomeUnknown",
] as const;

/** What each method takes and gives; what it may do stands in its traits. */
const CONTRACTS = {
  getServerInfo: {
    params: server.NoParams,
    result: server.ServerInfo,
    description: "Name, version, time and limits of this server.",
    errors: [],
  },
  "rpc.discover": {
    params: server.NoParams,
    result: server.OpenRpcDocument,
    description: "This contract as an OpenRPC document.",
    errors: [],
  },
  publish: {
    params: message.PublishParams,
    result: message.PublishResult,
    description: "Stores one message at the end of a stream, which is made if there is none.",
    errors: PUBLISH_ERRORS,
  },
  publishBatch: {
    params: message.PublishBatchParams,
    result: message.PublishBatchResult,
    description: "Stores several messages one after the other, all or none.",
    errors: PUBLISH_ERRORS,
  },
  getMessages: {
    params: message.GetMessagesParams,
    result: message.GetMessagesResult,
    description: "Reads a page of a stream.",
    errors: ["NotFound", "Conflict", "EpochChanged"],
  },
  deleteMessages: {
    params: message.DeleteMessagesParams,
    result: message.DeleteMessagesResult,
    description: "Deletes messages, up to a sequence or one by one. Their sequences are never used again.",
    errors: ["NotFound", "EpochChanged", "OutcomeUnknown"],
  },
  getStreamInfo: {
    params: stream.StreamParams,
    result: stream.StreamInfo,
    description: "What is known of a stream. Looking creates nothing.",
    errors: ["NotFound"],
  },
  configureStream: {
    params: stream.ConfigureStreamParams,
    result: stream.StreamConfig,
    description: "Sets what a stream keeps, and makes it if there is none. Returns the whole config.",
    errors: ["OutcomeUnknown"],
  },
  deleteStream: {
    params: stream.DeleteStreamParams,
    result: stream.DeleteStreamResult,
    description: "Deletes a stream with all it holds. Made again, it has another epoch and starts at 1.",
    errors: ["EpochChanged", "OutcomeUnknown"],
  },
  getState: {
    params: stream.StreamParams,
    result: state.GetStateResult,
    description:
      "The state document of a stream: null at revision 0 before the first put, without an epoch before the first use.",
    errors: [],
  },
  putState: {
    params: state.PutStateParams,
    result: state.PutStateResult,
    description: "Replaces the state document, if `expectedRevision` is its revision or was not given.",
    errors: ["Conflict", "NotFound", "EpochChanged", "TooLarge", "OutcomeUnknown"],
  },
  checkpoint: {
    params: state.CheckpointParams,
    result: state.CheckpointResult,
    description:
      "Replaces the state document and deletes the messages it covers, in one transaction. Conflict when messages behind `through` are deleted already: no reader of the state could go on from there.",
    errors: ["Conflict", "NotFound", "EpochChanged", "TooLarge", "OutcomeUnknown"],
  },
  subscribe: {
    params: subscription.SubscribeParams,
    result: subscription.SubscribeResult,
    description:
      "Follows a stream, which is made if there is none, or takes a share of a consumer: `messages` notifications come until `unsubscribe`.",
    errors: ["NotFound", "Conflict", "EpochChanged", "LimitReached", "OutcomeUnknown", "NeedsSocket"],
  },
  unsubscribe: {
    params: subscription.UnsubscribeParams,
    result: subscription.Done,
    description: "Ends a subscription. Nothing comes on it after the answer.",
    errors: ["NotFound", "NeedsSocket"],
  },
  ack: {
    params: subscription.AckParams,
    result: subscription.Done,
    description:
      "Tells that messages are done, which makes room for more. Best sent as a notification; on a consumer the answer to a request says that it is stored.",
    errors: ["NotFound", "Conflict", "OutcomeUnknown", "NeedsSocket"],
  },
  nak: {
    params: subscription.NakParams,
    result: subscription.Done,
    description: "Gives back messages of a consumer, to be delivered again after its backoff or `delayMs`.",
    errors: ["NotFound", "OutcomeUnknown", "NeedsSocket"],
  },
  term: {
    params: subscription.TermParams,
    result: subscription.Done,
    description: "Moves messages of a consumer to its dead letters: they are never delivered again.",
    errors: ["NotFound", "OutcomeUnknown", "NeedsSocket"],
  },
  working: {
    params: subscription.WorkingParams,
    result: subscription.Done,
    description: "Restarts the ack deadline of messages that this subscription of a consumer holds.",
    errors: ["NotFound", "OutcomeUnknown", "NeedsSocket"],
  },
  createConsumer: {
    params: consumer.CreateConsumerParams,
    result: consumer.ConsumerInfo,
    description:
      "Makes a durable cursor that clients share, and its stream if there is none. The same call again is fine, a different one is Conflict: `updateConsumer` changes it.",
    errors: ["Conflict", "NotFound", "EpochChanged", "LimitReached", "OutcomeUnknown"],
  },
  updateConsumer: {
    params: consumer.UpdateConsumerParams,
    result: consumer.ConsumerInfo,
    description: "Changes what a consumer is, but for where it started, and keeps its place. Safe to repeat.",
    errors: ["NotFound", "OutcomeUnknown"],
  },
  getConsumer: {
    params: consumer.ConsumerParams,
    result: consumer.ConsumerInfo,
    description: "How a consumer stands.",
    errors: ["NotFound"],
  },
  listConsumers: {
    params: stream.StreamParams,
    result: consumer.ListConsumersResult,
    description: "How every consumer of a stream stands.",
    errors: ["NotFound"],
  },
  deleteConsumer: {
    params: consumer.ConsumerParams,
    result: consumer.ConsumerInfo,
    description:
      "Deletes a consumer with its dead letters, ends its subscriptions, and tells how it stood. The messages stay.",
    errors: ["NotFound", "OutcomeUnknown"],
  },
  pauseConsumer: {
    params: consumer.PauseConsumerParams,
    result: consumer.ConsumerInfo,
    description: "Stops a consumer's deliveries, or lets them go on.",
    errors: ["NotFound", "OutcomeUnknown"],
  },
  seekConsumer: {
    params: consumer.SeekConsumerParams,
    result: consumer.ConsumerInfo,
    description:
      "Starts a consumer over from another place: what is unsettled is forgotten, and everything from there on is new.",
    errors: ["NotFound", "Conflict", "EpochChanged", "OutcomeUnknown"],
  },
  fetchMessages: {
    params: consumer.FetchMessagesParams,
    result: consumer.FetchMessagesResult,
    description:
      "Takes messages of a consumer without a socket, none when it has none to deliver. They are in flight until `ackMessages` or `ackWaitMs`.",
    errors: ["NotFound", "LimitReached", "OutcomeUnknown"],
  },
  ackMessages: {
    params: consumer.AckMessagesParams,
    result: subscription.Done,
    description: "Settles messages that `fetchMessages` gave, or gives them back. Safe to repeat.",
    errors: ["NotFound", "OutcomeUnknown"],
  },
  getDeadLetters: {
    params: consumer.GetDeadLettersParams,
    result: consumer.GetDeadLettersResult,
    description:
      "Messages that a consumer does not deliver any more; they are still in the stream, until it drops them.",
    errors: ["NotFound", "EpochChanged"],
  },
  retryDeadLetters: {
    params: consumer.ChangeDeadLettersParams,
    result: consumer.ChangeDeadLettersResult,
    description: "Delivers dead messages again, as if for the first time, those that the stream still has.",
    errors: ["NotFound", "EpochChanged", "OutcomeUnknown"],
  },
  deleteDeadLetters: {
    params: consumer.ChangeDeadLettersParams,
    result: consumer.ChangeDeadLettersResult,
    description: "Forgets dead letters. The stream's messages stay.",
    errors: ["NotFound", "EpochChanged", "OutcomeUnknown"],
  },
  headObject: {
    params: object.ObjectParams,
    result: object.ObjectInfo,
    description: "What is known of an object, without its body.",
    errors: ["NotFound"],
  },
  getObject: {
    params: object.GetObjectParams,
    result: object.GetObjectResult,
    description: "Reads an object or a range of it; a body too large for one call is TooLarge.",
    errors: ["NotFound", "TooLarge"],
  },
  putObject: {
    params: object.PutObjectParams,
    result: object.ObjectInfo,
    description: "Stores an object, in place of one that has the key already if the conditions hold.",
    errors: ["Conflict", "TooLarge", "RateLimited", "OutcomeUnknown"],
  },
  deleteObject: {
    params: object.DeleteObjectParams,
    result: subscription.Done,
    description: "Deletes one or many objects. One that does not exist is no error.",
    errors: ["RateLimited", "OutcomeUnknown"],
  },
  listObjects: {
    params: object.ListObjectsParams,
    result: object.ListObjectsResult,
    description: "A page of the objects, in the order of their keys.",
    errors: [],
  },
  createUpload: {
    params: object.CreateUploadParams,
    result: object.CreateUploadResult,
    description: "Begins an object that is too large for one call. Nothing of it is seen before completeUpload.",
    errors: ["OutcomeUnknown"],
  },
  uploadPart: {
    params: object.UploadPartParams,
    result: object.UploadedPart,
    description: "Stores one part of an upload, in any order; the same number again replaces it.",
    errors: ["NotFound", "Conflict", "TooLarge", "OutcomeUnknown"],
  },
  completeUpload: {
    params: object.CompleteUploadParams,
    result: object.ObjectInfo,
    description: "Makes the object of the parts listed, if the conditions hold. It takes as long as storing it takes.",
    errors: ["NotFound", "Conflict", "RateLimited", "OutcomeUnknown"],
  },
  abortUpload: {
    params: object.AbortUploadParams,
    result: subscription.Done,
    description: "Drops an upload and its parts.",
    errors: ["NotFound", "Conflict", "OutcomeUnknown"],
  },
} as const satisfies Record<MethodName, MethodContract>;

/** A row of each table, as one. */
type Methods = { readonly [M in MethodName]: (typeof METHOD_TRAITS)[M] & (typeof CONTRACTS)[M] };

/** Every method: what the handlers, the client's types, the OpenRPC document and the README's table are made from. */
export const METHODS: Methods = withTraits();

/** What a caller passes. */
export type MethodParams<M extends MethodName> = v.InferInput<(typeof METHODS)[M]["params"]>;
/** What a handler takes: params that are checked, with nothing that a schema would still change. */
export type CheckedParams<M extends MethodName> = v.InferOutput<(typeof METHODS)[M]["params"]>;
/** What a caller gets. */
export type MethodResult<M extends MethodName> = v.InferOutput<(typeof METHODS)[M]["result"]>;

function withTraits(): Methods {
  const names = Object.keys(METHOD_TRAITS).filter(isMethodName);
  const rows = names.map((name): [MethodName, MethodSpec] => [name, { ...METHOD_TRAITS[name], ...CONTRACTS[name] }]);
  // Row for row of the two tables, which have the same names.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(rows) as Methods;
}
