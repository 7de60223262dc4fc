import type * as v from "valibot";

import * as consumer from "../schemas/consumer.ts";
import type { ErrorName } from "../protocol/errors.ts";
import * as message from "../schemas/message.ts";
import { isMethodName, METHOD_TRAITS } from "./method-traits.ts";
import type { MethodName, MethodTraits } from "./method-traits.ts";
import { OBJECT_CONTRACTS } from "./object-contracts.ts";
import * as producer from "../schemas/producer.ts";
import * as server from "../schemas/server.ts";
import * as state from "../schemas/state.ts";
import * as stream from "../schemas/stream.ts";
import * as subscription from "../schemas/subscription.ts";
import * as token from "./token.ts";

/** One method of the contract: its traits, schemas, description and errors. */
export type MethodSpec = MethodTraits & MethodContract;

/** The schemas, description and errors of a method. */
type MethodContract = {
  readonly params: v.GenericSchema;
  readonly result: v.GenericSchema;
  readonly description: string;
  /** The errors that it may answer, besides `COMMON_ERRORS`. */
  readonly errors: readonly ErrorName[];
};

const EXPECTATION_ERRORS = ["Conflict", "NotFound", "EpochChanged"] as const;
const ROOM_ERRORS = ["TooLarge", "LimitReached", "StorageFull", "RateLimited"] as const;
const PUBLISH_ERRORS = [...EXPECTATION_ERRORS, ...ROOM_ERRORS, "OutcomeUnknown"] as const;

/** The contract of each method. Its traits are in `METHOD_TRAITS`. */
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
    description: "Stores one message at the end of a stream, which is created if there is none.",
    errors: PUBLISH_ERRORS,
  },
  publishBatch: {
    params: message.PublishBatchParams,
    result: message.PublishBatchResult,
    description: "Stores several messages with consecutive sequences, all or none.",
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
  getProducer: {
    params: producer.GetProducerParams,
    result: producer.GetProducerResult,
    description: "Returns where a producer is in a stream: at epoch and sequence 0 when it is not known.",
    errors: ["NotFound", "EpochChanged"],
  },
  listProducers: {
    params: producer.ListProducersParams,
    result: producer.ListProducersResult,
    description: "Returns the producers of a stream, by id, with when each last stored a message.",
    errors: ["NotFound", "EpochChanged"],
  },
  listStreams: {
    params: stream.ListStreamsParams,
    result: stream.ListStreamsResult,
    description: "Lists a page of the streams that the caller may read, by name. It may be a few seconds behind.",
    errors: ["LimitReached"],
  },
  getStreamInfo: {
    params: stream.StreamParams,
    result: stream.StreamInfo,
    description: "Returns the epoch, config, sequences and size of a stream. It creates nothing.",
    errors: ["NotFound"],
  },
  configureStream: {
    params: stream.ConfigureStreamParams,
    result: stream.StreamConfig,
    description: "Configures what a stream keeps, and creates it if there is none. Returns the whole config.",
    errors: ["OutcomeUnknown"],
  },
  deleteStream: {
    params: stream.DeleteStreamParams,
    result: stream.DeleteStreamResult,
    description:
      "Deletes a stream with its messages, state and consumers. Created again, it has another epoch and starts at 1.",
    errors: ["EpochChanged", "OutcomeUnknown"],
  },
  getState: {
    params: stream.StreamParams,
    result: state.GetStateResult,
    description:
      "Returns the state document of a stream: null at revision 0 before the first put, without an epoch before the first use.",
    errors: [],
  },
  putState: {
    params: state.PutStateParams,
    result: state.PutStateResult,
    description: "Replaces the state document, if `expectedRevision` is its revision or is left out.",
    errors: ["Conflict", "NotFound", "EpochChanged", "TooLarge", "OutcomeUnknown"],
  },
  checkpoint: {
    params: state.CheckpointParams,
    result: state.CheckpointResult,
    description:
      "Replaces the state document and deletes the messages it covers, in one transaction. Conflict when messages after `through` are deleted already: a reader of the state could not resume from there.",
    errors: ["Conflict", "NotFound", "EpochChanged", "TooLarge", "OutcomeUnknown"],
  },
  subscribe: {
    params: subscription.SubscribeParams,
    result: subscription.SubscribeResult,
    description:
      "Follows a stream, which is created if there is none, or takes a share of a consumer: `messages` notifications are sent until `unsubscribe`.",
    errors: ["NotFound", "Conflict", "EpochChanged", "LimitReached", "OutcomeUnknown", "NeedsSocket"],
  },
  unsubscribe: {
    params: subscription.UnsubscribeParams,
    result: subscription.Done,
    description: "Ends a subscription. Nothing is sent on it after the answer.",
    errors: ["NotFound", "NeedsSocket"],
  },
  ack: {
    params: subscription.AckParams,
    result: subscription.Done,
    description:
      "Acknowledges messages, which makes room for more. Best sent as a notification; on a consumer the answer to a request says that the ack is stored.",
    errors: ["NotFound", "Conflict", "OutcomeUnknown", "NeedsSocket"],
  },
  nak: {
    params: subscription.NakParams,
    result: subscription.Done,
    description: "Gives back messages of a consumer for redelivery, after its backoff or `delayMs`.",
    errors: ["NotFound", "OutcomeUnknown", "NeedsSocket"],
  },
  term: {
    params: subscription.TermParams,
    result: subscription.Done,
    description: "Moves messages of a consumer to its dead letters: they are not delivered again.",
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
      "Creates a consumer, a durable cursor that clients share, and its stream if there is none. Repeated with the same options it changes nothing; with others it is Conflict: use `updateConsumer`.",
    errors: ["Conflict", "NotFound", "EpochChanged", "LimitReached", "OutcomeUnknown"],
  },
  updateConsumer: {
    params: consumer.UpdateConsumerParams,
    result: consumer.ConsumerInfo,
    description:
      "Changes the config of a consumer, except where it started. The consumer keeps its position. Safe to repeat.",
    errors: ["NotFound", "OutcomeUnknown"],
  },
  getConsumer: {
    params: consumer.ConsumerParams,
    result: consumer.ConsumerInfo,
    description: "Returns the config and progress of a consumer.",
    errors: ["NotFound"],
  },
  listConsumers: {
    params: stream.StreamParams,
    result: consumer.ListConsumersResult,
    description: "Returns the config and progress of every consumer of a stream.",
    errors: ["NotFound"],
  },
  deleteConsumer: {
    params: consumer.ConsumerParams,
    result: consumer.ConsumerInfo,
    description:
      "Deletes a consumer with its dead letters, ends its subscriptions, and returns its last state. The stream keeps its messages.",
    errors: ["NotFound", "OutcomeUnknown"],
  },
  pauseConsumer: {
    params: consumer.PauseConsumerParams,
    result: consumer.ConsumerInfo,
    description: "Pauses or resumes the deliveries of a consumer.",
    errors: ["NotFound", "OutcomeUnknown"],
  },
  seekConsumer: {
    params: consumer.SeekConsumerParams,
    result: consumer.ConsumerInfo,
    description:
      "Restarts a consumer at another position: messages in flight or waiting are forgotten, and every message from there on is new.",
    errors: ["NotFound", "Conflict", "EpochChanged", "OutcomeUnknown"],
  },
  fetchMessages: {
    params: consumer.FetchMessagesParams,
    result: consumer.FetchMessagesResult,
    description:
      "Takes messages of a consumer without a socket; none when there is none to deliver. They are in flight until `ackMessages` or `ackWaitMs`.",
    errors: ["NotFound", "LimitReached", "OutcomeUnknown"],
  },
  ackMessages: {
    params: consumer.AckMessagesParams,
    result: subscription.Done,
    description: "Sends ack, nak or term for messages of `fetchMessages`. Safe to repeat.",
    errors: ["NotFound", "OutcomeUnknown"],
  },
  getDeadLetters: {
    params: consumer.GetDeadLettersParams,
    result: consumer.GetDeadLettersResult,
    description:
      "Returns the dead letters of a consumer: messages that it no longer delivers. They stay in the stream until it drops them.",
    errors: ["NotFound", "EpochChanged"],
  },
  retryDeadLetters: {
    params: consumer.ChangeDeadLettersParams,
    result: consumer.ChangeDeadLettersResult,
    description: "Delivers dead letters again as if for the first time, as far as the stream still has them.",
    errors: ["NotFound", "EpochChanged", "OutcomeUnknown"],
  },
  deleteDeadLetters: {
    params: consumer.ChangeDeadLettersParams,
    result: consumer.ChangeDeadLettersResult,
    description: "Deletes dead letters. The stream keeps its messages.",
    errors: ["NotFound", "EpochChanged", "OutcomeUnknown"],
  },
  ...OBJECT_CONTRACTS,
  issueToken: {
    params: token.IssueTokenParams,
    result: token.IssueTokenResult,
    description:
      "Issues a token to hand on to a browser, a tenant or a service, which may do no more than its caller. NotFound when no key to sign with is configured.",
    errors: ["NotFound"],
  },
  authenticate: {
    params: token.AuthenticateParams,
    result: token.AuthenticateResult,
    description:
      "Goes on with a new token on the same socket, in place of the one that it was opened with. Subscriptions that it does not allow are closed; all others go on without a gap. Forbidden for a token of another subject or prefix, and on a socket that was opened by a key.",
    errors: ["NeedsSocket"],
  },
} as const satisfies Record<MethodName, MethodContract>;

/** The traits and the contract of each method, merged. */
type Methods = { readonly [M in MethodName]: (typeof METHOD_TRAITS)[M] & (typeof CONTRACTS)[M] };

/** Every method. The handlers, the client's types, the OpenRPC document and the reference are made from this table. */
export const METHODS: Methods = withTraits();

/** The params that a caller passes. */
export type MethodParams<M extends MethodName> = v.InferInput<(typeof METHODS)[M]["params"]>;
/** The params that a handler gets, checked and transformed by the schema. */
export type CheckedParams<M extends MethodName> = v.InferOutput<(typeof METHODS)[M]["params"]>;
/** The result that a caller gets. */
export type MethodResult<M extends MethodName> = v.InferOutput<(typeof METHODS)[M]["result"]>;

function withTraits(): Methods {
  const names = Object.keys(METHOD_TRAITS).filter(isMethodName);
  const rows = names.map((name): [MethodName, MethodSpec] => [name, { ...METHOD_TRAITS[name], ...CONTRACTS[name] }]);
  // The two tables have the same names, so each row is complete.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(rows) as Methods;
}
