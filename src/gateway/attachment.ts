import type { StoredConsumerSubscription } from "./consumers/subscription.ts";
import type { StoredStreamSubscription } from "./streams/subscription.ts";

/** How far `heardAt` of an attachment may be behind: so that not every frame has it written. */
export const HEARD_GRAIN_MS = 1_000;

/** A socket as its subscriptions see it. */
export type SessionSocket = {
  /** Its key in the gateway's tables. */
  readonly key: string;
  /** Sends a frame; closes the socket instead when its client reads too slowly. */
  send(frame: string): void;
  /** Whether so much is unread by the client that it is sent no messages, on whatever subscription. */
  readonly isPaused: boolean;
  /**
   * Whether messages may be sent again that were not acked in time. Where the runtime tells what is unread, always;
   * elsewhere only once something was acked since the last time, or a client that does not read would be sent more and
   * more.
   */
  mayRepeat(): boolean;
  /** Writes every subscription's position to the attachment. @param deadlineAt When to look for an overdue ack, if ever. */
  keep(deadlineAt: number | undefined): void;
  /** A consumer's messages were sent: notes when, and writes the attachment. */
  pushed(): void;
  /** A number for a new subscription, never given on this socket before. */
  nextSubscription(): number;
};

/**
 * A socket's attachment: what changes with every message, as writing it costs no storage write. The runtime allows 16,384
 * bytes.
 */
export type Attachment = {
  /** The socket's key in the gateway's tables. */
  socket: string;
  defaultStream: string | undefined;
  connectedAt: number;
  /** When the last frame came; after an eviction up to {@link HEARD_GRAIN_MS} too early. */
  heardAt: number;
  /** When a consumer's messages were last sent. */
  pushedAt: number | undefined;
  /** When the server sent its Close. */
  closedAt: number | undefined;
  lastSubscription: number;
  subscriptions: StoredStreamSubscription[];
  consumers: StoredConsumerSubscription[];
};
