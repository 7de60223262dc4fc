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
import type { Access } from "../access/access.ts";
import type { AckCommand } from "../internal/consumer-calls.ts";
import type { JsonText } from "../internal/json-text.ts";
import type { PublishGroup, PublishOutcome } from "../publishing/publish-call.ts";
import type { PublishOrder } from "../publishing/publish-order.ts";
import type { PublishRate } from "../publishing/publish-rate.ts";

/** What a handler knows of its caller. */
export type CallContext = {
  readonly env: Env;
  /** Who calls, and what it may do. */
  readonly access: Access;
  /** @throws Unauthenticated once its token has ended, as it may have while the call was on its way or behind others. */
  readonly expectLive: () => void;
  /** The stream of `/stream/<name>`. */
  readonly defaultStream: string | undefined;
  /** The caller's socket; undefined for HTTP and the service binding. */
  readonly connection: Connection | undefined;
  /**
   * Stores messages: in a gateway in one commit with those of other callers, elsewhere with those of the same request.
   */
  readonly publish: PublishMessages;
  /** Bounds how many messages this caller may publish in a second; left out: it is not bounded. */
  readonly publishRate?: PublishRate | undefined;
  /** Keeps this caller's publishes in order. */
  readonly order: PublishOrder;
  /** Called in order when the answer has been sent. */
  readonly afterAnswer: (() => void)[];
  /** The call is a notification: nobody gets its result. */
  readonly isNotification?: boolean;
};

/**
 * Stores the messages of publishes, in their order, and resolves what became of each. Before it returns, they have their
 * place among those of other callers.
 */
export type PublishMessages = (stream: string, group: PublishGroup) => Promise<readonly PublishOutcome[]>;

/** An ack command as a client gives it: its subscription tells the holder. */
export type ClientAck = AckCommand extends infer One ? (One extends AckCommand ? Omit<One, "holder"> : never) : never;

/** The socket of a caller, with its subscriptions. */
export type Connection = {
  describe(): NonNullable<ServerInfo["connection"]>;
  /**
   * Goes on by another token of the same caller: what is called and sent from now on is decided by it, and the
   * subscriptions that it does not allow are over.
   *
   * @returns When the socket ends now, in milliseconds since the epoch.
   * @throws Forbidden for who is another caller, and when the socket was not opened by a token; Unauthenticated when the
   * token that it has has ended.
   */
  authenticate(access: Access): number;
  /** Follows a stream; messages flow once the answer is sent. */
  subscribe(params: SubscribeParams, context: CallContext): Promise<SubscribeResult>;
  /** @throws NotFound when there is no such subscription. */
  unsubscribe(subscription: number): void;
  /** @throws NotFound when there is no such subscription, Conflict for messages that were never sent on it. */
  ack(params: AckParams, context: CallContext): Promise<void>;
  /**
   * Resolves when the command is stored.
   *
   * @throws NotFound when there is no such subscription, InvalidParams when it is not a consumer's.
   */
  applyAck(subscription: number, command: ClientAck, context: CallContext): Promise<void>;
};

/** The context of a call that came on a socket. */
type SocketContext = CallContext & { readonly connection: Connection };

/**
 * The handlers of some methods. Their params are checked, and a method that needs a socket is only called with one;
 * their results are of the contract, or its JSON text.
 */
export type Handlers<M extends MethodName> = {
  readonly [Name in M]: (
    params: CheckedParams<Name>,
    context: Name extends SocketMethod ? SocketContext : CallContext,
  ) => Promise<MethodResult<Name> | JsonText>;
};
