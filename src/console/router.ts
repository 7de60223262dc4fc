import { useEffect, useState } from "preact/hooks";

/** A place in the console: the segments of the URL's hash, decoded, `#/streams/orders/messages?from=5`. */
export type Route = { readonly segments: readonly string[]; readonly query: URLSearchParams };

/** The link to a place. */
export function href(segments: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `#/${segments.map(encodeURIComponent).join("/")}${search === "" ? "" : `?${search}`}`;
}

/** Goes to a place. */
export function go(segments: readonly string[], query: Readonly<Record<string, string>> = {}): void {
  location.hash = href(segments, query);
}

/** The place that the URL names. */
export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => setHash(location.hash);
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return routeOf(hash);
}

function routeOf(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return { segments: path === "" ? [] : path.split("/").map(decoded), query: new URLSearchParams(search) };
}

/** A segment as it was before {@link href}; as it stands when somebody has typed what is no escape. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
