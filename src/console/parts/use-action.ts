import { useRef, useState } from "preact/hooks";

import { errorOf } from "./use-call.ts";

/** Something that a person has asked for: a call that changes something. */
export type Action<Args extends readonly unknown[], T> = {
  /** Does it, unless it is being done. @returns What it gave, in an array; undefined when it failed. */
  readonly run: (...args: Args) => Promise<[T] | undefined>;
  readonly isPending: boolean;
  /** Why it was not done the last time. */
  readonly error: Error | undefined;
  /** Shows the error no longer. */
  readonly clear: () => void;
};

export function useAction<Args extends readonly unknown[], T>(action: (...args: Args) => Promise<T>): Action<Args, T> {
  const [isPending, setPending] = useState(false);
  const [error, setError] = useState<Error | undefined>();
  // Not the state: two clicks may come before it is drawn.
  const isRunning = useRef(false);
  const run = async (...args: Args): Promise<[T] | undefined> => {
    if (isRunning.current) {
      return undefined;
    }
    isRunning.current = true;
    setPending(true);
    setError(undefined);
    try {
      return [await action(...args)];
    } catch (thrown) {
      setError(errorOf(thrown));
      return undefined;
    } finally {
      isRunning.current = false;
      setPending(false);
    }
  };
  return { run, isPending, error, clear: () => setError(undefined) };
}
