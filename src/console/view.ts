import type { ComponentType } from "preact";

/** What a section gets: the segments of the route behind its own, and the query. */
export type SectionProps = { readonly rest: readonly string[]; readonly query: URLSearchParams };

/** What a view of a stream gets besides. It is mounted again when the stream is another. */
export type StreamViewProps = SectionProps & { readonly stream: string };

/** A row of the tables in `views.ts`. */
export type View<Props> = {
  /** Its segment of the URL. */
  readonly path: string;
  readonly label: string;
  readonly View: ComponentType<Props>;
};
