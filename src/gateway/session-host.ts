import type { Access } from "../access/access.ts";
import type { CallFlow } from "../json-rpc/call-flow.ts";
import type { CallContext, PublishMessages } from "../methods/context.ts";
import type { FairTurns } from "../platform/fair-turns.ts";
import type { Share } from "../platform/isolate-budget.ts";
import type { PublishBudget } from "../publishing/publish-budget.ts";

import type { Keeper } from "./streams/keeper.ts";
import type { SocketAccessStore } from "./access-store.ts";
import type { SocketAccess } from "./socket-access.ts";
import type { ConsumerSubscriptionsHost } from "./consumers/subscriptions.ts";
import type { SocketBuffers } from "./unread/socket-buffers.ts";
import type { StreamSubscriptionsHost } from "./streams/subscriptions.ts";

/** What a session needs of its gateway. */
export type SessionHost = StreamSubscriptionsHost &
  ConsumerSubscriptionsHost & {
    readonly env: Env;
    readonly keeper: Keeper;
    /** The turns of what its sockets read. */
    readonly reads: FairTurns<CallFlow>;
    readonly startedAt: number;
    readonly accessStore: SocketAccessStore;
    /** Called when the server has sent its Close. @param unreadBytes What was unread before. */
    readonly closing: (ws: WebSocket, unreadBytes: number) => void;
    readonly publish: PublishMessages;
    /** Bounds what waits to be published, in all of its sessions. */
    readonly publishBudget: PublishBudget;
    /** What their frames take of the isolate that are not answered. */
    readonly frames: Share;
    /** Bounds what is not read, on all of its sockets. */
    readonly buffers: SocketBuffers;
  };

/** What a call knows of its caller, whose rights may change before the call runs. */
export type SessionContext = Omit<CallContext, "access" | "publishRate"> & {
  access: Access;
  publishRate: SocketAccess["rate"];
};
