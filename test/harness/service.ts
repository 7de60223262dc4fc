import { exports } from "cloudflare:workers";

import type { BindingProps, DurableStreamsBinding } from "../../rpc/index.ts";

/** A service binding to this Worker, as another Worker's configuration would make it. */
export function binding(props?: BindingProps | Record<string, unknown>): DurableStreamsBinding {
  // The runtime's own type of a stub can not say what an `unknown` payload becomes.
  return exports.DurableStreams({ props: props ?? {} }) as unknown as DurableStreamsBinding;
}

/** How a call fails that must: the own properties of its error, which are what crosses. */
export async function failure(call: Promise<unknown>): Promise<{ code?: unknown; data?: unknown }> {
  try {
    const result = await call;
    throw new TypeError(`the call succeeded: ${JSON.stringify(result)}`);
  } catch (error) {
    if (error instanceof TypeError && error.message.startsWith("the call succeeded")) {
      throw error;
    }
    return { ...(error as object) };
  }
}
