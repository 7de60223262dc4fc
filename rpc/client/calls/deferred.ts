/** A promise with what settles it. */
export type Deferred<T> = {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
};

/** `Promise.withResolvers`, which Node.js 20 does not have. */
export function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>["resolve"] = unset;
  let reject: Deferred<T>["reject"] = unset;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** Stands until the constructor of the promise has run, which it does at once. */
function unset(): void {
  throw new Error("a promise was settled before it was made");
}
