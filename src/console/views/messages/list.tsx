import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Row } from "../../tail/rows.ts";

import { RowView } from "./row.tsx";
import type { Position, Scroller } from "./scroller.ts";

type ListProps = {
  readonly label: string;
  readonly rows: readonly Row[];
  readonly scroller: Scroller;
  /** Whether the end is kept in view. */
  readonly isFollowing: boolean;
  readonly isBusy: boolean;
  readonly openKeys: ReadonlySet<string>;
  readonly activeKey: string | undefined;
  readonly queryOf: (row: Row) => string;
  readonly onToggle: (row: Row) => void;
  /** The reader has scrolled, or what is held has changed. */
  readonly onMoved: (position: Position, byReader: boolean) => void;
  readonly above: ComponentChildren;
  readonly below: ComponentChildren;
};

/**
 * Rows of a stream, of which only those that are seen are in the page, and some around them.
 *
 * It is a feed (w3.org/TR/wai-aria-1.2/#feed): articles that come and go at both ends as somebody reads. A `log` would be
 * read out with every message, hundreds in a second; what comes is summed up elsewhere.
 */
export function MessageList(props: ListProps) {
  const { rows, scroller, isFollowing, openKeys, activeKey, onMoved } = props;
  const [, redraw] = useState({});
  const resized = useCallback(() => redraw({}), []);
  const slice = scroller.place(rows, isFollowing);

  useLayoutEffect(() => {
    if (scroller.settle((row) => row.kind === "message" && !openKeys.has(row.key))) {
      redraw({});
    }
  });
  useEffect(() => onMoved(scroller.position, false), [rows, isFollowing, props.isBusy]);
  useEffect(() => {
    let width: number | undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (width !== undefined && width !== entry?.contentRect.width) {
        scroller.widthChanged();
      }
      width = entry?.contentRect.width;
      redraw({});
    });
    if (scroller.view !== null) {
      observer.observe(scroller.view);
    }
    return () => observer.disconnect();
  }, [scroller]);
  useFocusKept(scroller, activeKey);

  return (
    <div
      ref={(element) => {
        scroller.view = element;
      }}
      class="messages"
      data-held={rows.length}
      role="feed"
      aria-label={props.label}
      aria-busy={props.isBusy}
      tabIndex={0}
      onScroll={() => {
        if (scroller.scrolled()) {
          onMoved(scroller.position, true);
          // Drawn as one that follows, it would go back to the end.
          if (!isFollowing) {
            redraw({});
          }
        }
      }}
    >
      {props.above}
      <div
        ref={(element) => {
          scroller.box = element;
        }}
        role="presentation"
      >
        <div role="presentation" style={{ height: `${slice.above}px` }} />
        {rows.slice(slice.from, slice.to).map((row) => (
          <RowView
            key={row.key}
            row={row}
            isOpen={openKeys.has(row.key)}
            isActive={row.key === activeKey}
            query={props.queryOf(row)}
            onToggle={props.onToggle}
            onResize={resized}
          />
        ))}
        <div role="presentation" style={{ height: `${slice.below}px` }} />
      </div>
      {props.below}
    </div>
  );
}

/** Gives the focus to the row that the keys have gone to, and keeps it in the list when its row leaves the page. */
function useFocusKept(scroller: Scroller, activeKey: string | undefined): void {
  const hasFocus = useRef(false);
  useEffect(() => {
    const { view } = scroller;
    const changed = ({ type, relatedTarget }: FocusEvent) => {
      // Without another target the focused row has left the page, or the window was left.
      hasFocus.current = type === "focusin" || relatedTarget === null;
    };
    view?.addEventListener("focusin", changed);
    view?.addEventListener("focusout", changed);
    return () => {
      view?.removeEventListener("focusin", changed);
      view?.removeEventListener("focusout", changed);
    };
  }, [scroller]);
  useLayoutEffect(() => {
    if (hasFocus.current) {
      scroller.view?.querySelector<HTMLElement>(".message.active > .message-line")?.focus({ preventScroll: true });
    }
  }, [activeKey]);
  useLayoutEffect(() => {
    if (hasFocus.current && document.activeElement === document.body) {
      scroller.view?.focus({ preventScroll: true });
    }
  });
}
