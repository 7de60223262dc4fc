import { useEffect, useRef } from "preact/hooks";

/** Calls a function every so many milliseconds while the tab is seen, and at once when it is seen again. */
export function useInterval(call: () => void, everyMs: number): void {
  const latest = useRef(call);
  latest.current = call;
  useEffect(() => {
    let timer: ReturnType<typeof setInterval> | undefined;
    const start = () => {
      timer = setInterval(() => latest.current(), everyMs);
    };
    const changed = () => {
      clearInterval(timer);
      if (!document.hidden) {
        latest.current();
        start();
      }
    };
    if (!document.hidden) {
      start();
    }
    document.addEventListener("visibilitychange", changed);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", changed);
    };
  }, [everyMs]);
}
