import type { Page } from "playwright-core";

/** A view of the console, as a test or a picture opens it. */
export type Place = {
  /** The name of its screenshot. */
  readonly name: string;
  readonly hash: string;
  /** Waits for what the view shows when all of it is there. */
  readonly ready: (page: Page) => Promise<void>;
  /** How long it draws before its picture is taken. */
  readonly drawnForMs?: number;
};
