import { LIMITS, RpcError } from "../../rpc/index.ts";
import { dropLostShares, isolateFull, Share } from "../platform/isolate-budget.ts";

/** A body is decoded, text, and part of a frame. */
const COPIES = 3;

/** Of the bodies in memory for calls of this isolate, over all its requests and Durable Objects. */
const bodies = new Set<Share>();

/**
 * Runs work that holds a body in memory, in up to {@link COPIES}, which count in what the isolate holds.
 *
 * @param bytes Size of the body.
 * @throws Busy (`limit`) when there would be more than `LIMITS.objectBytesInFlight` in memory, or too much else for the
 *   clients of the isolate; `work` was not begun.
 */
export async function withBodyInMemory<T>(bytes: number, work: () => Promise<T>): Promise<T> {
  if (bytesInFlight() + bytes > LIMITS.objectBytesInFlight) {
    // A request whose client is gone ends without giving back what it held.
    dropLostShares();
  }
  if (bytesInFlight() + bytes > LIMITS.objectBytesInFlight) {
    const limit = LIMITS.objectBytesInFlight;
    throw new RpcError("Busy", "too many bytes of objects in flight", { what: "objectBytesInFlight", limit });
  }
  const share = new Share();
  if (!share.take(bytes * COPIES)) {
    throw isolateFull();
  }
  bodies.add(share);
  try {
    return await work();
  } finally {
    share.set(0);
    bodies.delete(share);
  }
}

function bytesInFlight(): number {
  let bytes = 0;
  for (const share of bodies) {
    bytes += share.bytes / COPIES;
    if (share.bytes === 0) {
      bodies.delete(share);
    }
  }
  return bytes;
}
