import { env } from "cloudflare:workers";
import { onTestFinished } from "vitest";

/** A request deadline that a test can wait out. What must be in time needs less by far, on a machine that stalls too. */
export const SHORT_DEADLINE_MS = 2_000;

/** Shortens the request deadline of every object of the Worker to {@link SHORT_DEADLINE_MS} until the test is over. */
export function shortenRequestDeadline(): void {
  Reflect.set(env, "REQUEST_DEADLINE_MS", String(SHORT_DEADLINE_MS));
  onTestFinished(() => {
    Reflect.deleteProperty(env, "REQUEST_DEADLINE_MS");
  });
}
