import type { MethodName } from "../../rpc/index.ts";

import { consumerHandlers } from "./consumers.ts";
import type { Handlers } from "./context.ts";
import { messageHandlers } from "./messages.ts";
import { objectHandlers } from "./objects.ts";
import { publishHandlers } from "./publish.ts";
import { serverHandlers } from "./server.ts";
import { stateHandlers } from "./state.ts";
import { streamHandlers } from "./streams.ts";
import { subscriptionHandlers } from "./subscriptions.ts";
import { tokenHandlers } from "./tokens.ts";
import { uploadHandlers } from "./uploads.ts";

/** A handler for every method of the contract; one that is missing does not compile. */
export const HANDLERS: Handlers<MethodName> = {
  ...serverHandlers,
  ...publishHandlers,
  ...messageHandlers,
  ...streamHandlers,
  ...stateHandlers,
  ...subscriptionHandlers,
  ...consumerHandlers,
  ...objectHandlers,
  ...uploadHandlers,
  ...tokenHandlers,
};
