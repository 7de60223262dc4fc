import * as v from "valibot";

import { StreamName } from "../../rpc/index.ts";

const STREAM_PATH = /^\/stream\/([^/]+)$/;

/** Splits the URL of a request; the groups are its path and its query. */
const URL_PARTS = /^[a-z]+:\/\/[^/?#]*([^?#]*)(?:\?([^#]*))?/i;

/**
 * The path after `/r2`, not decoded, and the query; undefined for another path. The URL is not parsed by `URL`, which
 * would resolve `/..` and `/%2e%2e` so that they could not be refused.
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
  // Not percent-decoded: a stream name needs no escapes.
  const name = v.safeParse(StreamName, encoded);
  return name.success ? name.output : undefined;
}
