/**
 * Lets a failure be told that has half a surrogate pair in it. The plugin sends it over a WebSocket, and workerd makes
 * bytes of such text that are not UTF-8: the socket breaks, and with it goes whatever the file has not told yet.
 */
import { beforeEach } from "vitest";

beforeEach(({ onTestFailed }) => {
  onTestFailed(({ task }) => escapeHalves(task.result?.errors));
});

/** Writes, in place and at any depth, each half of a pair as JSON would. */
function escapeHalves(value: unknown, seen = new Set<unknown>()): void {
  if (typeof value !== "object" || value === null || seen.has(value)) {
    return;
  }
  seen.add(value);
  for (const [key, inner] of Object.entries(value)) {
    if (typeof inner === "string") {
      Reflect.set(value, key, inner.replaceAll(/\p{Surrogate}/gu, escaped));
    } else {
      escapeHalves(inner, seen);
    }
  }
}

function escaped(half: string): string {
  return `\\u${half.charCodeAt(0).toString(16)}`;
}
