import * as v from "valibot";

import { DeliveredMessage } from "./message.ts";
import { Sequence, SequenceOrZero, StreamName } from "./names.ts";
import { SubscriptionId } from "./subscription.ts";

export const MessagesNotification = v.strictObject({
  subscription: SubscriptionId,
  stream: StreamName,
  previous: v.pipe(
    SequenceOrZero,
    v.description(
      "The sequence sent before the first of these (0 at the start): unequal to the last one seen, something is missing.",
    ),
  ),
  messages: v.pipe(
    v.array(DeliveredMessage),
    v.minLength(1),
    v.description("Those of a consumer carry `deliveryCount`."),
  ),
});
export type MessagesNotification = v.InferOutput<typeof MessagesNotification>;

export const GapNotification = v.strictObject({
  subscription: SubscriptionId,
  from: Sequence,
  to: Sequence,
  reason: v.pipe(
    v.picklist(["trimmed", "deleted"]),
    v.description("`trimmed`: below the stream's first message by now; `deleted`: one by one."),
  ),
});
export type GapNotification = v.InferOutput<typeof GapNotification>;

export const SubscriptionClosedNotification = v.strictObject({
  subscription: SubscriptionId,
  reason: v.picklist(["ackTimeout", "streamDeleted", "streamRestored", "consumerDeleted"]),
});
export type SubscriptionClosedNotification = v.InferOutput<typeof SubscriptionClosedNotification>;

/** Every notification the server sends: its params and what it says. */
export const NOTIFICATIONS = {
  messages: {
    params: MessagesNotification,
    description:
      "One or more messages of a subscription: in the stream's order, or in that of a consumer's deliveries.",
  },
  gap: {
    params: GapNotification,
    description: "Sequences that will not come: they were deleted while the subscriber was behind.",
  },
  subscriptionClosed: {
    params: SubscriptionClosedNotification,
    description: "The subscription is over; nothing more comes on it.",
  },
} as const;

export type NotificationName = keyof typeof NOTIFICATIONS;
export type NotificationParams<N extends NotificationName> = v.InferOutput<(typeof NOTIFICATIONS)[N]["params"]>;
