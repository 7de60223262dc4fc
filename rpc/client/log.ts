/**
 * Logs an error of the caller's code that reaches nobody else. Not by `reportError`, which ends a process of Deno and is
 * missing in Node.js.
 */
export function logError(what: string, error: unknown): void {
  console.error(`durable-stream: ${what}:`, error);
}

/** Calls a listener and logs its error, so that it neither reaches the client nor ends the process. */
export async function callListener(what: string, call: () => unknown): Promise<void> {
  try {
    await call();
  } catch (error) {
    logError(`${what} failed`, error);
  }
}
