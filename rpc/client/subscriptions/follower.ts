import type { NotificationParams } from "../../notifications.ts";

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
  /** Has what is acked stored. @returns When it is; undefined when there is nothing to wait for. */
  store(): Promise<void> | undefined;
  /** Hands nothing on any more. @returns When what the handler has is done and stored; undefined when it is already. */
  finish(): Promise<void> | undefined;
  /** Ends it: tells the server what is done, and hands nothing on any more. */
  end(error?: unknown): void;
};
