/**
 * Says that something of the caller's failed, where nobody else hears of it. Not by `reportError`, which ends a process
 * of Deno, and which Node.js does not have.
 */
export function report(what: string, error: unknown): void {
  console.error(`durable-stream: ${what}:`, error);
}

/** Calls a listener, whose failure is reported: it is nothing of ours, and no reason to end a process. */
export async function callListener(what: string, call: () => unknown): Promise<void> {
  try {
    await call();
  } catch (error) {
    report(`${what} failed`, error);
  }
}
