import type { Message } from "../../schemas/message.ts";
import type { NotificationParams } from "../../methods/notifications.ts";

import type { Follower } from "./follower.ts";

/**
 * Passes a notification to its follower. One of an unknown method, or for a subscription that has ended, is dropped.
 *
 * @param characters Length of its frame.
 * @returns False when it breaks the contract: then the socket can not be trusted.
 */
export function dispatchNotification(
  followers: ReadonlyMap<number, Follower>,
  { method, params }: { method: string; params: object },
  characters: number,
): boolean {
  switch (method) {
    case "messages":
      if (!isMessages(params)) {
        return false;
      }
      followers.get(params.subscription)?.receive(params, characters);
      return true;
    case "gap":
      if (!isGap(params)) {
        return false;
      }
      followers.get(params.subscription)?.receiveGap(params);
      return true;
    case "subscriptionClosed":
      if (!isClosed(params)) {
        return false;
      }
      followers.get(params.subscription)?.receiveClosed(params);
      return true;
    default:
      return true;
  }
}

// Checks only what the client itself relies on.

function isMessages(params: object): params is NotificationParams<"messages"> {
  return (
    hasNumbers(params, "subscription", "previous") &&
    "messages" in params &&
    Array.isArray(params.messages) &&
    params.messages.length > 0 &&
    params.messages.every(isMessage)
  );
}

function isMessage(message: Partial<Message> | null): message is Message {
  // Every message passes here, so not by `hasNumbers`.
  return Number.isSafeInteger(message?.sequence) && Number.isSafeInteger(message?.publishedAt);
}

function isGap(params: object): params is NotificationParams<"gap"> {
  return hasNumbers(params, "subscription", "from", "to");
}

function isClosed(params: object): params is NotificationParams<"subscriptionClosed"> {
  return hasNumbers(params, "subscription") && "reason" in params && typeof params.reason === "string";
}

function hasNumbers(value: object, ...names: readonly string[]): boolean {
  return names.every((name) => Number.isSafeInteger(Reflect.get(value, name)));
}
