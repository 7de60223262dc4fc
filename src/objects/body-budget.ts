import { LIMITS, RpcError } from "../../rpc/index.ts";

/** Bytes of bodies in memory for calls of this isolate, over all its requests and Durable Objects. */
let inFlight = 0;

/**
 * Runs work that holds a body in memory, in up to three copies: decoded, as text and in a frame.
 *
 * @param bytes Size of the body.
 * @throws Busy (`limit`) when there would be more than `LIMITS.objectBytesInFlight` in memory; `work` was not begun.
 */
export async function withBodyInMemory<T>(bytes: number, work: () => Promise<T>): Promise<T> {
  if (inFlight + bytes > LIMITS.objectBytesInFlight) {
    const limit = LIMITS.objectBytesInFlight;
    throw new RpcError("Busy", "too many bytes of objects in flight", { what: "objectBytesInFlight", limit });
  }
  inFlight += bytes;
  try {
    return await work();
  } finally {
    inFlight -= bytes;
  }
}
