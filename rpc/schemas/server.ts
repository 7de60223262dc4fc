import * as v from "valibot";

import { LIMIT_MEANINGS } from "../protocol/limits.ts";
import { Time } from "./names.ts";

export const NoParams = v.strictObject({});
export type NoParams = v.InferOutput<typeof NoParams>;

const limitEntries = Object.fromEntries(
  Object.entries(LIMIT_MEANINGS).map(([name, meaning]) => [name, v.pipe(v.number(), v.description(meaning))]),
);

export const ServerInfo = v.strictObject({
  name: v.string(),
  version: v.string(),
  time: Time,
  connection: v.optional(
    v.pipe(
      v.strictObject({
        gateway: v.pipe(v.string(), v.description("The gateway that holds this socket.")),
        gatewayStartedAt: v.pipe(Time, v.description("When that gateway last started or woke from hibernation.")),
        connectedAt: Time,
      }),
      v.description("On a WebSocket only."),
    ),
  ),
  limits: v.strictObject(limitEntries),
});
export type ServerInfo = v.InferOutput<typeof ServerInfo>;

/** An OpenRPC 1.3 document (spec.open-rpc.org). */
export const OpenRpcDocument = v.pipe(v.looseObject({ openrpc: v.string() }), v.description("An OpenRPC document."));
export type OpenRpcDocument = v.InferOutput<typeof OpenRpcDocument>;
