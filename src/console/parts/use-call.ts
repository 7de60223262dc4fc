import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { DurableStreamError } from "../../../rpc/client.ts";
import type { CallOptions, DurableStream } from "../../../rpc/client.ts";
import { useClient, useConnection } from "../session/use-session.ts";

/** A call that reads, as a view shows it. */
export type Call<T> = {
  /** The last answer; kept while a later call is pending and when it fails. Undefined before the first. */
  readonly value: T | undefined;
  /** Why the last call failed; undefined when it did not. */
  readonly error: Error | undefined;
  readonly isPending: boolean;
  /** Calls again. What is pending is aborted: an answer that comes late is never shown. */
  readonly reload: () => void;
};

type Shown<T> = { readonly value?: T; readonly error?: Error; readonly isPending: boolean };

/**
 * Calls the server, again when `deps` change, and when the connection is back after it failed for want of one.
 *
 * @param deps What the call is made of. When one changes, the answer to the call before is no longer shown.
 */
export function useCall<T>(
  call: (client: DurableStream, options: CallOptions) => Promise<T>,
  deps: readonly unknown[],
): Call<T> {
  const client = useClient();
  const { opened } = useConnection();
  const [shown, setShown] = useState<Shown<T>>({ isPending: true });
  const pending = useRef<AbortController>(undefined);
  const latest = useRef(call);
  latest.current = call;

  const reload = useCallback(() => {
    pending.current?.abort();
    const controller = new AbortController();
    pending.current = controller;
    setShown((before) => ({ ...before, isPending: true }));
    latest.current(client, { signal: controller.signal }).then(
      (value) => !controller.signal.aborted && setShown({ value, isPending: false }),
      (thrown: unknown) =>
        !controller.signal.aborted && setShown((before) => ({ ...before, error: errorOf(thrown), isPending: false })),
    );
  }, [client]);

  const shownDeps = useRef(deps);
  useEffect(() => {
    // With another client, after another key was given, it is still the answer to the same question.
    if (deps.some((each, index) => !Object.is(each, shownDeps.current[index]))) {
      setShown({ isPending: true });
    }
    shownDeps.current = deps;
    reload();
    return () => pending.current?.abort();
  }, [reload, ...deps]);

  const isLost = isForWantOfConnection(shown.error);
  useEffect(() => {
    if (isLost) {
      reload();
    }
  }, [opened]);

  return { value: shown.value, error: shown.error, isPending: shown.isPending, reload };
}

function isForWantOfConnection(error: Error | undefined): boolean {
  return error instanceof DurableStreamError && (error.name === "Unavailable" || error.name === "Unauthenticated");
}

export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
