import * as v from "valibot";

import { DeliveredMessage } from "../schemas/message.ts";
import { Sequence, SequenceOrZero, StreamName, Time } from "../schemas/names.ts";
import { SubscriptionId } from "../schemas/subscription.ts";

export const MessagesNotification = v.strictObject({
  subscription: SubscriptionId,
  stream: StreamName,
  previous: v.pipe(
    SequenceOrZero,
    v.description(
      "The sequence sent before the first of these, 0 at the start. When it is not the last one received, messages are missing.",
    ),
  ),
  messages: v.pipe(
    v.array(DeliveredMessage),
    v.minLength(1),
    v.description("Messages of a consumer have `deliveryCount`."),
  ),
});
export type MessagesNotification = v.InferOutput<typeof MessagesNotification>;

export const GapNotification = v.strictObject({
  subscription: SubscriptionId,
  from: v.pipe(Sequence, v.description("The first of them.")),
  to: v.pipe(Sequence, v.description("The last of them.")),
  reason: v.pipe(
    v.picklist(["trimmed", "deleted"]),
    v.description("`trimmed`: they are below the stream's first message now; `deleted`: they were deleted one by one."),
  ),
});
export type GapNotification = v.InferOutput<typeof GapNotification>;

export const SubscriptionClosedNotification = v.strictObject({
  subscription: SubscriptionId,
  reason: v.pipe(
    v.picklist(["ackTimeout", "streamDeleted", "streamRestored", "consumerDeleted", "forbidden"]),
    v.description(
      "`ackTimeout`: nothing was acked in `maxDeliver` rounds; `streamDeleted`; `streamRestored`: put back to an earlier " +
        "state, subscribe anew; `consumerDeleted`; `forbidden`: the token that the socket has now does not allow it.",
    ),
  ),
});
export type SubscriptionClosedNotification = v.InferOutput<typeof SubscriptionClosedNotification>;

export const TokenExpiringNotification = v.strictObject({
  expiresAt: v.pipe(Time, v.description("When the socket is closed with 4401, in milliseconds since the epoch.")),
});
export type TokenExpiringNotification = v.InferOutput<typeof TokenExpiringNotification>;

/** Every notification that the server sends: its params and what it means. */
export const NOTIFICATIONS = {
  messages: {
    params: MessagesNotification,
    description:
      "One or more messages of a subscription, in the stream's order or in the order of a consumer's deliveries.",
  },
  gap: {
    params: GapNotification,
    description: "Sequences that will not be sent: they were deleted while the subscriber was behind.",
  },
  subscriptionClosed: {
    params: SubscriptionClosedNotification,
    description: "The subscription has ended; nothing more is sent on it.",
  },
  tokenExpiring: {
    params: TokenExpiringNotification,
    description:
      "The socket's token ends in 60 s, or half of its life is over when that is shorter: `authenticate` with a new one. It comes once for each token.",
  },
} as const;

export type NotificationName = keyof typeof NOTIFICATIONS;
export type NotificationParams<N extends NotificationName> = v.InferOutput<(typeof NOTIFICATIONS)[N]["params"]>;
