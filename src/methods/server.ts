import { LIMITS, openRpcDocument } from "../../rpc/index.ts";
import { JsonText } from "../internal/json-text.ts";
import { streamBytesOf } from "../platform/settings.ts";
import { SERVER } from "../platform/version.ts";

import type { Handlers } from "./context.ts";

let openRpc: JsonText | undefined;

export const serverHandlers: Handlers<"getServerInfo" | "rpc.discover"> = {
  getServerInfo: async (_params, { env, connection }) => ({
    ...SERVER,
    time: Date.now(),
    ...(connection === undefined ? {} : { connection: connection.describe() }),
    limits: { ...LIMITS, streamBytes: streamBytesOf(env) },
  }),

  "rpc.discover": async () => {
    // Made once for each isolate: it is the same for every caller.
    openRpc ??= new JsonText(JSON.stringify(openRpcDocument(SERVER.version)));
    return openRpc;
  },
};
