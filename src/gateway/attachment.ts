import type { StoredConsumerSubscription } from "./consumers/subscription.ts";
import type { StoredSubscription } from "./streams/subscription.ts";

/** Milliseconds after which a further frame is noted in the attachment: not every frame is worth writing it. */
export const HEARD_GRAIN_MS = 1_000;

/** What its subscriptions need of a socket. */
export type SessionSocket = {
  /** Its key in the gateway's tables. */
  readonly key: string;
  /** Sends a frame, unless the client reads so slowly that it is better closed. */
  send(frame: string): void;
  /** Bytes the runtime holds for a client that does not read; 0 on a runtime that does not tell. */
  bufferedBytes(): number;
  /** Keeps every subscription's position in the attachment, and has a deadline watched. */
  keep(deadlineAt: number | undefined): void;
  /** A consumer's messages were sent: keeps as {@link keep} does. */
  pushed(): void;
  /** The number of a new subscription. */
  nextSubscription(): number;
};

/** A socket's attachment, at most 16,384 bytes: what changes with every message, so that it costs no write. */
export type Attachment = {
  socket: string;
  defaultStream: string | undefined;
  connectedAt: number;
  /** When the last frame came; what slept may be {@link HEARD_GRAIN_MS} behind. */
  heardAt: number;
  /** When a consumer's messages were sent last. */
  pushedAt: number | undefined;
  /** When the server sent its Close. */
  closedAt: number | undefined;
  lastSubscription: number;
  subscriptions: StoredSubscription[];
  consumers: StoredConsumerSubscription[];
};
