import * as v from "valibot";

import { LIMIT_MEANINGS } from "../protocol/limits.ts";
import { Time } from "./names.ts";

export const NoParams = v.strictObject({});
export type NoParams = v.InferOutput<typeof NoParams>;

const limitEntries = Object.fromEntries(
  Object.entries(LIMIT_MEANINGS).map(([name, meaning]) => [name, v.pipe(v.number(), v.description(meaning))]),
);

export const ServerInfo = v.strictObject({
  name: v.pipe(v.string(), v.description("Of the server: `durable-stream`.")),
  version: v.pipe(v.string(), v.description("Of the server, as in its package.")),
  time: Time,
  connection: v.optional(
    v.pipe(
      v.strictObject({
        gateway: v.pipe(v.string(), v.description("The gateway that holds this socket.")),
        gatewayStartedAt: v.pipe(Time, v.description("When that gateway last started or woke from hibernation.")),
        connectedAt: v.pipe(Time, v.description("When this socket was opened.")),
      }),
      v.description("On a WebSocket only."),
    ),
  ),
  limits: v.pipe(v.strictObject(limitEntries), v.description("Each limit by its name, with this server's value.")),
});
export type ServerInfo = v.InferOutput<typeof ServerInfo>;

/** An OpenRPC 1.3 document (spec.open-rpc.org). */
export const OpenRpcDocument = v.pipe(
  v.looseObject({ openrpc: v.pipe(v.string(), v.description("The version of OpenRPC.")) }),
  v.description("An OpenRPC document."),
);
export type OpenRpcDocument = v.InferOutput<typeof OpenRpcDocument>;
