/**
 * Bounds of what is said of a consumer's message. They stand apart from the schemas made of them, as the client checks
 * by them what it sends without an answer, and does not bring schemas along into every browser.
 */

/** How long a message may be kept back by a nak, in milliseconds. */
export const NAK_DELAY_MS = { least: 0, most: 86_400_000 } as const;

/** How long the reason of a term may be. */
export const TERM_REASON_CHARACTERS = { least: 1, most: 256 } as const;
