/**
 * Logs a fault of the server as one JSON line. Payloads, params and credentials never go in.
 *
 * @param facts Names and numbers that help to find it, such as a request id.
 */
export function logError(what: string, error: unknown, facts: Record<string, string | number> = {}): void {
  const detail = error instanceof Error ? { error: error.message, stack: error.stack } : { error: String(error) };
  console.error(JSON.stringify({ level: "error", what, ...facts, ...detail }));
}
