import * as v from "valibot";

import { StreamName } from "../../rpc/index.ts";

const STREAM_PATH = /^\/stream\/([^/]+)$/;

/** A request's URL, taken apart where it is sure: up to the path, the path, the query. */
const URL_PARTS = /^[a-z]+:\/\/[^/?#]*([^?#]*)(?:\?([^#]*))?/i;

/**
 * What follows `/r2` in a URL, as it came; undefined for another path. A URL parser would undo `/..` and `/%2e%2e`
 * before anyone could refuse them.
 */
export function objectTarget(url: string): { path: string; query: string } | undefined {
  const [, path = "", query = ""] = URL_PARTS.exec(url) ?? [];
  return path === "/r2" || path.startsWith("/r2/") ? { path: path.slice("/r2".length), query } : undefined;
}

/** The stream that a path `/stream/<name>` names; undefined for another path, or a name that no stream can have. */
export function streamOfPath(pathname: string): string | undefined {
  const encoded = STREAM_PATH.exec(pathname)?.[1];
  if (encoded === undefined) {
    return undefined;
  }
  // A name needs no escapes, so none is undone: what is escaped is no name.
  const name = v.safeParse(StreamName, encoded);
  return name.success ? name.output : undefined;
}
