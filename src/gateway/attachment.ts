import type { RpcError } from "../../rpc/index.ts";

import type { Owed } from "../publishing/publish-rate.ts";

import type { Outgoing } from "./unread/outgoing.ts";
import { STORED_CONSUMER_NUMBERS } from "./consumers/subscription.ts";
import type { StoredConsumerSubscription } from "./consumers/subscription.ts";
import { STORED_STREAM_NUMBERS } from "./streams/subscription.ts";
import type { StoredStreamSubscription } from "./streams/subscription.ts";

/** The form of the attachment of a socket that may do everything. */
const FORM = 1;
/**
 * That of a socket that may not: its access is in the table `socket_access`. Code that does not hold sockets to their access
 * does not read it, and closes the socket.
 */
const BOUND_FORM = 2;

/** What decides whether a caller may have a subscription. */
export type DecidedSubscription = {
  /** As its client says it. */
  readonly stream: string;
  readonly filter?: string | undefined;
  /** Anything when it shares a consumer: rights do not tell consumers of a stream apart. */
  readonly consumer?: string;
};

/** A socket as its subscriptions see it. */
export type SessionSocket = {
  /** Its key in the gateway's tables. */
  readonly key: string;
  /** Sends a frame; closes the socket instead when its client reads too slowly. */
  send(frame: string): void;
  /** What it was sent and its client has not read: while that is much it is sent no messages, on whatever subscription. */
  readonly outgoing: Outgoing;
  /**
   * Whether messages may be sent again that were not acked in time. Where the runtime tells what is unread, always;
   * elsewhere only once something was acked since the last time, or a client that does not read would be sent more and
   * more.
   */
  mayRepeat(): boolean;
  /** Writes every subscription's position to the attachment. @param deadlineAt When to look for an overdue ack, if ever. */
  keep(deadlineAt: number | undefined): void;
  /** As {@link keep}, in a moment: for what changes often. */
  keepSoon(): void;
  /** A consumer's messages were sent: notes when, and has the attachment written. */
  pushed(): void;
  /** A number for a new subscription, never given on this socket before. */
  nextSubscription(): number;
  /** The name of a stream as its client says it. */
  callersName(stream: string): string;
  /** Why its caller may not have a subscription; undefined when it may. Its rights may have changed since it was made. */
  refusalOf(subscription: DecidedSubscription): RpcError | undefined;
};

/**
 * A socket's attachment: what changes with every message, as writing it costs no storage write. The runtime allows 16,384
 * bytes.
 *
 * A socket may outlive the code that wrote it, and code of an earlier version may read it (see `platform/schema.ts`). So it
 * only gets more fields, and its tuples grow at their end; what is missing means what the code before did. A reader keeps
 * fields that it does not know, and drops what is behind the end of a tuple. What an earlier version must not pass over, as
 * subscriptions of another kind, is another `form`: that version closes the socket, and its client goes on by a new one.
 */
export type Attachment = {
  /** Left out by the code before there was more than one. */
  form?: number;
  /** The socket's key in the gateway's tables. */
  socket: string;
  defaultStream: string | undefined;
  connectedAt: number;
  /** What its client has published lately; left out for one that is not bounded. */
  owed?: Owed | undefined;
  /** When its token ends for it; left out of a token without an end, and by code for which that was always its `exp`. */
  endsAt?: number | undefined;
  /** When to tell the client that its token ends; left out once it was told, and of a token without an end. */
  noticeAt?: number | undefined;
  /** When the last frame came; after an eviction up to a second too early (`presence.ts`). */
  heardAt: number;
  /** When a consumer's messages were last sent. */
  pushedAt: number | undefined;
  /** When the server sent its Close. */
  closedAt: number | undefined;
  lastSubscription: number;
  subscriptions: StoredStreamSubscription[];
  consumers: StoredConsumerSubscription[];
};

/** The attachment of a socket that has no subscription yet. */
export function newAttachment(nowMs: number, defaultStream?: string): Attachment {
  return {
    form: FORM,
    socket: crypto.randomUUID(),
    defaultStream,
    connectedAt: nowMs,
    heardAt: nowMs,
    pushedAt: undefined,
    closedAt: undefined,
    lastSubscription: 0,
    subscriptions: [],
    consumers: [],
  };
}

/** Whether the access of a socket is in the table `socket_access`. */
export function isBound({ form }: Attachment): boolean {
  return form === BOUND_FORM;
}

/** Marks whether the access of a socket is in the table `socket_access`. */
export function markBound(attachment: Attachment, isInTable: boolean): void {
  attachment.form = isInTable ? BOUND_FORM : FORM;
}

/** The attachment of a socket; undefined when it is in a form that this code does not read. */
export function attachmentOf(ws: WebSocket): Attachment | undefined {
  const stored: Partial<Attachment> | null = ws.deserializeAttachment();
  return isReadable(stored) ? stored : undefined;
}

function isReadable(stored: Partial<Attachment> | null): stored is Attachment {
  return (
    typeof stored?.socket === "string" &&
    [FORM, BOUND_FORM].includes(stored.form ?? FORM) &&
    areNumbers([stored.connectedAt, stored.heardAt, stored.lastSubscription]) &&
    areTuples(stored.subscriptions, STORED_STREAM_NUMBERS) &&
    areTuples(stored.consumers, STORED_CONSUMER_NUMBERS)
  );
}

/** @param length How many numbers a tuple has at least. */
function areTuples(stored: unknown, length: number): boolean {
  const isTuple = (one: unknown) => Array.isArray(one) && one.length >= length && areNumbers(one.slice(0, length));
  return Array.isArray(stored) && stored.every(isTuple);
}

function areNumbers(values: readonly unknown[]): boolean {
  return values.every((value) => typeof value === "number");
}
