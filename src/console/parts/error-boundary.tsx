import type { ComponentChildren } from "preact";
import { useErrorBoundary } from "preact/hooks";

import { ErrorNotice } from "./notice.tsx";
import { errorOf } from "./use-call.ts";

/** Shows a fault of a view in its place, so that the rest of the page goes on. */
export function ErrorBoundary({ children }: { children: ComponentChildren }) {
  const [thrown, reset] = useErrorBoundary();
  if (thrown === undefined) {
    return <>{children}</>;
  }
  return (
    <>
      <h1 tabIndex={-1}>This view failed</h1>
      <ErrorNotice error={errorOf(thrown)} />
      <p class="actions">
        <button type="button" onClick={reset}>
          Show it again
        </button>
      </p>
    </>
  );
}
