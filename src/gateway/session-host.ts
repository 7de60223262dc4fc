import type { Access } from "../access/access.ts";
import type { FlowHost } from "../json-rpc/call-flow.ts";
import type { CallContext, PublishMessages } from "../methods/context.ts";

import type { Keeper } from "./streams/keeper.ts";
import type { SocketAccessStore } from "./access-store.ts";
import type { SocketAccess } from "./socket-access.ts";
import type { ConsumerSubscriptionsHost } from "./consumers/subscriptions.ts";
import type { SocketBuffers } from "./unread/socket-buffers.ts";
import type { StreamSubscriptionsHost } from "./streams/subscriptions.ts";

/** What a session needs of its gateway. */
export type SessionHost = StreamSubscriptionsHost &
  ConsumerSubscriptionsHost &
  FlowHost & {
    readonly env: Env;
    readonly keeper: Keeper;
    readonly startedAt: number;
    readonly accessStore: SocketAccessStore;
    /** Called when the server has sent its Close. @param unreadBytes What was unread before. */
    readonly closing: (ws: WebSocket, unreadBytes: number) => void;
    readonly publish: PublishMessages;
    /** Bounds what is not read, on all of its sockets. */
    readonly buffers: SocketBuffers;
  };

/** What a call knows of its caller, whose rights may change before the call runs. */
export type SessionContext = Omit<CallContext, "access" | "publishRate"> & {
  access: Access;
  publishRate: SocketAccess["rate"];
};
