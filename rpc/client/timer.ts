/** A pending timer: a number in browsers and Workers, an object in Node.js. */
export type Timer = ReturnType<typeof setTimeout>;

/** Stops a timer, if there is one. Not every runtime's types let `clearTimeout` take undefined. */
export function stopTimer(timer: Timer | undefined): void {
  if (timer !== undefined) {
    clearTimeout(timer);
  }
}
