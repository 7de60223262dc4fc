import type { NotificationName, NotificationParams } from "../../rpc/index.ts";

/** A notification of the contract as a frame; `messages`, whose params are text already, has its own (`messagesFrame`). */
export function notification<N extends Exclude<NotificationName, "messages">>(
  method: N,
  params: NotificationParams<N>,
): string {
  return JSON.stringify({ jsonrpc: "2.0", method, params });
}
