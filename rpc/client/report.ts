/**
 * Says that a handler failed where nobody else hears of it. Not by `reportError`, which ends a process of Deno, and which
 * Node.js does not have.
 */
export function reportFailure(error: unknown): void {
  console.error("durable-stream: a handler failed, and gets its message again:", error);
}
