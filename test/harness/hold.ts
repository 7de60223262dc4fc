import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";

/** Has a stream take no call until the returned function is called: those that come wait, as behind a slow disk. */
export function holdStream(stream: string): Promise<() => Promise<void>> {
  return holdObject(env.STREAM.getByName(stream));
}

/** The same of any object. */
export async function holdObject(stub: DurableObjectStub): Promise<() => Promise<void>> {
  const hold = { isHeld: false, isReleased: false };
  const held = runInDurableObject(stub, (_instance, state) =>
    state.blockConcurrencyWhile(async () => {
      hold.isHeld = true;
      // A promise of the test's can not be awaited in the object: it looks every few milliseconds.
      while (!hold.isReleased) {
        await scheduler.wait(2);
      }
    }),
  );
  await vi.waitUntil(() => hold.isHeld, { interval: 2 });
  return async () => {
    hold.isReleased = true;
    await held;
  };
}
