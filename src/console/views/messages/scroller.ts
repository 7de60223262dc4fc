import { Layout } from "../../tail/layout.ts";
import type { Slice } from "../../tail/layout.ts";
import type { Row } from "../../tail/rows.ts";

/** Of a row that is not open, and of the view, before they were measured. */
const USUAL_HEIGHT = 27;
const USUAL_VIEW = 600;
/** How near an edge of what is held is, in heights of the view, when more is wanted. */
const NEAR = 2;
/** How far from the end is still at the end, in pixels. */
const AT_END = 4;

/** Where in the list the reader is. */
export type Position = { readonly isNearStart: boolean; readonly isNearEnd: boolean; readonly isAtEnd: boolean };

/** Where the view is held while rows come and go: a row, and how far below the upper edge its own is. */
type Anchor = { readonly key: string; readonly offset: number };

/**
 * What of a list is drawn, and where it is scrolled to: to the end while that is followed, and else so that the row at the
 * upper edge stays where it is.
 */
export class Scroller {
  /** What scrolls, and within it what holds the rows that are drawn, between two spaces. */
  view: HTMLElement | null = null;
  box: HTMLElement | null = null;
  readonly #layout = new Layout(USUAL_HEIGHT);
  #rows: readonly Row[] = [];
  #isFollowing = false;
  #anchor: Anchor | undefined;
  /** Of the view, in the heights of the rows. */
  #top = 0;
  #drawn: Slice = { from: 0, to: 0, above: 0, below: 0 };

  /** Before rows are drawn. @returns Which of them are. */
  place(rows: readonly Row[], isFollowing: boolean): Slice {
    this.#rows = rows;
    this.#isFollowing = isFollowing;
    this.#layout.setRows(rows);
    this.#top = this.#placeOfView();
    this.#drawn = this.#layout.slice(this.#top, this.#top + this.#height);
    return this.#drawn;
  }

  /** After rows were drawn: scrolls to where the view is to be. @returns Whether others have to be drawn. */
  settle(isUsual: (row: Row) => boolean): boolean {
    const isNews = this.#measure(isUsual);
    const { view } = this;
    if (view !== null) {
      const to = this.#isFollowing ? view.scrollHeight - view.clientHeight : this.#placeOfView() + this.#head;
      if (Math.abs(view.scrollTop - to) >= 1) {
        view.scrollTop = Math.max(0, to);
      }
      if (this.#isFollowing || this.#indexOfAnchor() === -1) {
        this.#hold();
      }
    }
    return isNews;
  }

  /** The view was scrolled. @returns Whether by the reader. */
  scrolled(): boolean {
    if (this.#isFollowing && this.#below <= AT_END) {
      return false;
    }
    this.#hold();
    return true;
  }

  /** The view has another width, so every row may have another height. */
  widthChanged(): void {
    this.#layout.reset();
  }

  /** Holds the view so that a row is seen: by as little as that takes, or in the middle. */
  show(key: string, where: "nearest" | "middle"): void {
    const index = this.#rows.findIndex((row) => row.key === key);
    if (index !== -1) {
      const height = this.#layout.topOf(index + 1) - this.#layout.topOf(index);
      const room = Math.max(0, this.#height - height);
      const offset = this.#layout.topOf(index) - this.#top;
      this.#anchor = { key, offset: where === "middle" ? room / 2 : Math.max(0, Math.min(offset, room)) };
    }
  }

  /** The first and the last row that are seen. */
  get seen(): { readonly first: number; readonly last: number } {
    return { first: this.#layout.indexAt(this.#top), last: this.#layout.indexAt(this.#top + this.#height - 1) };
  }

  get position(): Position {
    const near = NEAR * this.#height;
    const below = this.#below;
    return { isNearStart: (this.view?.scrollTop ?? 0) < near, isNearEnd: below < near, isAtEnd: below <= AT_END };
  }

  get #height(): number {
    return this.view?.clientHeight ?? USUAL_VIEW;
  }

  /** What is in the view before the first row. */
  get #head(): number {
    return this.box?.offsetTop ?? 0;
  }

  /** What is below the lower edge of the view. */
  get #below(): number {
    const { view } = this;
    return view === null ? 0 : view.scrollHeight - view.scrollTop - view.clientHeight;
  }

  #placeOfView(): number {
    if (this.#isFollowing) {
      return Math.max(0, this.#layout.height - this.#height);
    }
    const index = this.#indexOfAnchor();
    return index === -1
      ? (this.view?.scrollTop ?? 0) - this.#head
      : this.#layout.topOf(index) - (this.#anchor?.offset ?? 0);
  }

  #indexOfAnchor(): number {
    const key = this.#anchor?.key;
    return key === undefined ? -1 : this.#rows.findIndex((row) => row.key === key);
  }

  /** Holds the view where it is. */
  #hold(): void {
    const top = (this.view?.scrollTop ?? 0) - this.#head;
    const index = this.#layout.indexAt(top);
    const row = this.#rows[index];
    this.#anchor = row === undefined ? undefined : { key: row.key, offset: this.#layout.topOf(index) - top };
  }

  #measure(isUsual: (row: Row) => boolean): boolean {
    let isNews = false;
    [...(this.box?.children ?? [])].slice(1, -1).forEach((child, index) => {
      const row = this.#rows[this.#drawn.from + index];
      if (row !== undefined) {
        isNews = this.#layout.measured(row.key, child.getBoundingClientRect().height, isUsual(row)) || isNews;
      }
    });
    return isNews;
  }
}
