import type {
  AckParams,
  CheckedParams,
  MethodName,
  MethodResult,
  ServerInfo,
  SocketMethod,
  SubscribeParams,
  SubscribeResult,
} from "../../rpc/index.ts";
import type { Published, PublishRequest } from "../internal/calls.ts";
import type { AckCommand } from "../internal/consumer-calls.ts";
import type { JsonText } from "../internal/json-text.ts";
import type { PublishOrder, PublishPlace } from "../publishing/publish-order.ts";

/** What a handler knows of who called and how. */
export type CallContext = {
  readonly env: Env;
  /** The stream of `/stream/<name>`. */
  readonly defaultStream: string | undefined;
  /** The caller's socket; undefined for HTTP and the service binding. */
  readonly connection: Connection | undefined;
  /** Stores messages: in a gateway with what others publish meanwhile, elsewhere at once. */
  readonly publish: PublishMessages;
  /** The order of what this caller publishes. */
  readonly order: PublishOrder;
  /** Of a call that publishes, its place in that order. */
  readonly place?: PublishPlace;
  /** What is to happen once the answer has been sent. */
  readonly afterAnswer: (() => void)[];
  /** Nobody waits for the outcome. */
  readonly isNotification?: boolean;
};

/** Stores messages, unless a publish before its place has to be sent again. */
export type PublishMessages = (
  stream: string,
  request: PublishRequest,
  place: PublishPlace | undefined,
) => Promise<Published>;

/** What a client says of a consumer's messages: a settlement without its holder. */
export type ConsumerWord = AckCommand extends infer One
  ? One extends AckCommand
    ? Omit<One, "holder">
    : never
  : never;

/** The socket of a caller, with its subscriptions. */
export type Connection = {
  describe(): NonNullable<ServerInfo["connection"]>;
  /** Follows a stream; messages flow once the answer is sent. */
  subscribe(params: SubscribeParams, context: CallContext): Promise<SubscribeResult>;
  /** NotFound when there is no such subscription. */
  unsubscribe(subscription: number): void;
  /** NotFound when there is no such subscription, Conflict for messages that were never sent on it. */
  ack(params: AckParams, context: CallContext): Promise<void>;
  /** Done when it is stored. NotFound when there is no such subscription, InvalidParams when it is of no consumer. */
  settle(subscription: number, word: ConsumerWord, context: CallContext): Promise<void>;
};

/** The context of a call that came on a socket. */
export type SocketContext = CallContext & { readonly connection: Connection };

/**
 * The handlers of some methods. Their params are checked, and a method that needs a socket is only called with one; their
 * results are of the contract, or its JSON text.
 */
export type Handlers<M extends MethodName> = {
  readonly [Name in M]: (
    params: CheckedParams<Name>,
    context: Name extends SocketMethod ? SocketContext : CallContext,
  ) => Promise<MethodResult<Name> | JsonText>;
};
