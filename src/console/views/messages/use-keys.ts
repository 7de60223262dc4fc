import { useEffect, useRef } from "preact/hooks";

export type Keys = {
  readonly move: (step: 1 | -1) => void;
  readonly toFirst: () => void;
  readonly toLast: () => void;
  readonly toggle: () => void;
  readonly pause: () => void;
  readonly search: () => void;
};

const TYPED_IN = "input, textarea, select";

/**
 * The keys of the list: arrows, Home, End and Enter where nothing else has them, and `/` and space as long as nobody types.
 */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const down = (event: KeyboardEvent) => {
      const { target } = event;
      if (
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        !(target instanceof HTMLElement) ||
        target.closest("dialog")
      ) {
        return;
      }
      const isLine = target.matches(".message-line");
      const isList = isLine || target.matches(".messages") || target === document.body;
      const act = actionOf(event.key, latest.current, { isList, isLine, isTyped: target.matches(TYPED_IN) });
      if (act !== undefined) {
        event.preventDefault();
        act();
      }
    };
    // The space bar presses a button when it is let go.
    const up = (event: KeyboardEvent) => {
      if (event.key === " " && event.target instanceof HTMLElement && event.target.matches(".message-line")) {
        event.preventDefault();
      }
    };
    document.addEventListener("keydown", down);
    document.addEventListener("keyup", up);
    return () => {
      document.removeEventListener("keydown", down);
      document.removeEventListener("keyup", up);
    };
  }, []);
}

type Where = { isList: boolean; isLine: boolean; isTyped: boolean };

function actionOf(key: string, keys: Keys, { isList, isLine, isTyped }: Where): (() => void) | undefined {
  if (key === "/" && !isTyped) {
    return keys.search;
  }
  if (!isList) {
    return undefined;
  }
  switch (key) {
    case "ArrowDown":
      return () => keys.move(1);
    case "ArrowUp":
      return () => keys.move(-1);
    case "Home":
      return keys.toFirst;
    case "End":
      return keys.toLast;
    case " ":
      return keys.pause;
    case "Enter":
      // A line is a button, which does it by itself.
      return isLine ? undefined : keys.toggle;
    default:
      return undefined;
  }
}
