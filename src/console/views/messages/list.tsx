import type { ComponentChildren, RefObject } from "preact";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { Layout } from "../../tail/layout.ts";
import type { Row } from "../../tail/rows.ts";

import { RowView } from "./row.tsx";

/** Of a row that is not open, before one was measured. */
const USUAL_HEIGHT = 27;
/** How near an edge of what is held is, in heights of the view, when more is wanted. */
const NEAR = 2;
/** How far from the end is still at the end, in pixels. */
const AT_END = 4;

/** Where in the list the reader is. */
export type Position = { readonly isNearStart: boolean; readonly isNearEnd: boolean; readonly isAtEnd: boolean };

/** Moves the list. */
export type ListControl = {
  /** Scrolls as little as shows a row, or so that it is in the middle. */
  readonly show: (key: string, where: "nearest" | "middle") => void;
  readonly toEnd: () => void;
  /** The row at the upper edge, or the last one that is seen. */
  readonly seen: () => { readonly first: number; readonly last: number };
};

type ListProps = {
  readonly label: string;
  readonly rows: readonly Row[];
  /** Whether the end is kept in view. */
  readonly isFollowing: boolean;
  readonly isBusy: boolean;
  readonly openKeys: ReadonlySet<string>;
  readonly activeKey: string | undefined;
  readonly queryOf: (row: Row) => string;
  readonly onToggle: (row: Row) => void;
  /** The reader has scrolled, or what is held has changed. */
  readonly onMoved: (position: Position, byReader: boolean) => void;
  readonly control: RefObject<ListControl | null>;
  readonly above: ComponentChildren;
  readonly below: ComponentChildren;
};

/** Where the view is held while rows come and go: a row, and how far below the upper edge its own is. */
type Anchor = { readonly key: string; readonly offset: number };

/**
 * Rows of a stream, of which only those that are seen are in the page, and some around them. A reader who is not at the end
 * keeps the place, whatever is added or goes.
 *
 * It is a feed (w3.org/TR/wai-aria-1.2/#feed): articles that come and go at both ends as somebody reads. A `log` would be
 * read out with every message, hundreds in a second; what comes is summed up elsewhere.
 */
export function MessageList(props: ListProps) {
  const { rows, isFollowing, openKeys, activeKey } = props;
  const [, redraw] = useState({});
  const viewport = useRef<HTMLDivElement>(null);
  const drawn = useRef<HTMLDivElement>(null);
  const [layout] = useState(() => new Layout(USUAL_HEIGHT));
  const anchor = useRef<Anchor>(undefined);
  const latest = useRef(props);
  latest.current = props;

  const resized = useCallback(() => redraw({}), []);

  layout.setRows(rows);
  const box = viewport.current;
  const height = box?.clientHeight ?? 600;
  const headHeight = drawn.current?.offsetTop ?? 0;
  const anchored = anchor.current === undefined ? -1 : rows.findIndex(({ key }) => key === anchor.current?.key);
  const top = isFollowing
    ? Math.max(0, layout.height - height)
    : anchored === -1
      ? (box?.scrollTop ?? 0) - headHeight
      : layout.topOf(anchored) - (anchor.current?.offset ?? 0);
  const slice = layout.slice(top, top + height);

  const hold = () => {
    const scrollTop = (viewport.current?.scrollTop ?? 0) - (drawn.current?.offsetTop ?? 0);
    const { rows: held } = latest.current;
    const index = layout.indexAt(scrollTop);
    const row = held[index];
    anchor.current = row === undefined ? undefined : { key: row.key, offset: layout.topOf(index) - scrollTop };
  };

  const scrollTo = (to: number) => {
    const element = viewport.current;
    if (element !== null && Math.abs(element.scrollTop - to) >= 1) {
      element.scrollTop = to;
    }
  };

  const measure = (): boolean => {
    const children = [...(drawn.current?.children ?? [])].slice(1, -1);
    return children
      .map((child, index) => {
        const row = rows[slice.from + index];
        const isUsual = row?.kind === "message" && !openKeys.has(row.key);
        return row !== undefined && layout.measured(row.key, child.getBoundingClientRect().height, isUsual);
      })
      .includes(true);
  };

  const tell = (byReader: boolean) => {
    const element = viewport.current;
    if (element !== null) {
      const { scrollTop, clientHeight } = element;
      const below = belowOf(element);
      const isNearStart = scrollTop < NEAR * clientHeight;
      const isNearEnd = below < NEAR * clientHeight;
      latest.current.onMoved({ isNearStart, isNearEnd, isAtEnd: below <= AT_END }, byReader);
    }
  };

  useLayoutEffect(() => {
    if (measure()) {
      redraw({});
    }
    const element = viewport.current;
    if (element === null) {
      return;
    }
    if (isFollowing) {
      scrollTo(element.scrollHeight - element.clientHeight);
      hold();
    } else if (anchored !== -1) {
      const place = layout.topOf(anchored) - (anchor.current?.offset ?? 0) + (drawn.current?.offsetTop ?? 0);
      scrollTo(Math.max(0, place));
    } else {
      hold();
    }
  });

  useEffect(() => tell(false), [rows, isFollowing, props.isBusy]);

  useEffect(() => {
    let width: number | undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (width !== undefined && width !== entry?.contentRect.width) {
        layout.reset();
      }
      width = entry?.contentRect.width;
      redraw({});
    });
    if (viewport.current !== null) {
      observer.observe(viewport.current);
    }
    return () => observer.disconnect();
  }, []);

  useFocusKept(viewport, activeKey);

  props.control.current = {
    show: (key, where) => {
      const index = rows.findIndex((row) => row.key === key);
      if (index !== -1) {
        const above = layout.topOf(index) - top;
        const below = layout.bottomOf(index) - top - height;
        const middle = Math.max(0, (height - layout.bottomOf(index) + layout.topOf(index)) / 2);
        const nearest = above < 0 ? 0 : below > 0 ? Math.max(0, above - below) : above;
        anchor.current = { key, offset: where === "middle" ? middle : nearest };
        redraw({});
      }
    },
    toEnd: () => {
      const last = rows.at(-1);
      anchor.current = last === undefined ? undefined : { key: last.key, offset: height - USUAL_HEIGHT };
      redraw({});
    },
    seen: () => ({ first: layout.indexAt(top), last: layout.indexAt(top + height - 1) }),
  };

  return (
    <div
      ref={viewport}
      class="messages"
      role="feed"
      aria-label={props.label}
      aria-busy={props.isBusy}
      tabIndex={0}
      onScroll={({ currentTarget }) => {
        if (isFollowing && belowOf(currentTarget) <= AT_END) {
          // Not by the reader.
          return;
        }
        hold();
        redraw({});
        tell(true);
      }}
    >
      {props.above}
      <div ref={drawn} class="messages-drawn" role="presentation">
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

/** What is in the list below the lower edge of the view, in pixels. */
function belowOf({ scrollHeight, scrollTop, clientHeight }: Element): number {
  return scrollHeight - scrollTop - clientHeight;
}

/** Gives the focus to the row that the keys have gone to, and keeps it in the list when its row leaves the page. */
function useFocusKept(viewport: RefObject<HTMLDivElement | null>, activeKey: string | undefined): void {
  const hasFocus = useRef(false);
  useEffect(() => {
    const element = viewport.current;
    const changed = ({ type, relatedTarget }: FocusEvent) => {
      // Without another target it is that the focused row has gone, or the window.
      hasFocus.current = type === "focusin" || relatedTarget === null;
    };
    element?.addEventListener("focusin", changed);
    element?.addEventListener("focusout", changed);
    return () => {
      element?.removeEventListener("focusin", changed);
      element?.removeEventListener("focusout", changed);
    };
  }, []);
  useLayoutEffect(() => {
    if (hasFocus.current) {
      viewport.current?.querySelector<HTMLElement>(".message.active > .message-line")?.focus({ preventScroll: true });
    }
  }, [activeKey]);
  useLayoutEffect(() => {
    if (hasFocus.current && document.activeElement === document.body) {
      viewport.current?.focus({ preventScroll: true });
    }
  });
}
