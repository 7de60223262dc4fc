import type { Inspector } from "./inspector.ts";

/** Bytes that live objects have, and the buffers they hold. */
export async function heapBytes(inspector: Inspector): Promise<number> {
  await inspector.collectGarbage();
  const { usedSize = NaN, backingStorageSize = NaN } =
    await inspector.call<Record<string, number>>("Runtime.getHeapUsage");
  return usedSize + backingStorageSize;
}
