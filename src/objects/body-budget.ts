import { LIMITS, RpcError } from "../../rpc/index.ts";

/** Bytes of bodies that the calls of this isolate hold, all sockets and objects in it together. */
let inFlight = 0;

/**
 * Runs work that holds a body in memory, a few times over: decoded, as text and in a frame.
 *
 * @param bytes Of the body, as it rests.
 * @throws Busy (`limit`) when the bodies in flight would be more than `LIMITS.objectBytesInFlight`; nothing was begun.
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
