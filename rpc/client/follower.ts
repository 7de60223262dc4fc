import type { NotificationParams } from "../notifications.ts";

/** Who is behind a subscription, whatever becomes of sockets. */
export type Follower = {
  /** There is a socket. */
  opened(): void;
  /** It is gone, and with it the server's side. */
  lost(): void;
  /** @param characters Length of the frame. */
  receive(params: NotificationParams<"messages">, characters: number): void;
  receiveGap(params: NotificationParams<"gap">): void;
  receiveClosed(params: NotificationParams<"subscriptionClosed">): void;
  /** Ends it: tells the server what is done, and hands nothing on any more. */
  end(error?: unknown): void;
};
