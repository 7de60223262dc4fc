import { useEffect, useRef } from "preact/hooks";

import { ErrorBoundary } from "./parts/error-boundary.tsx";
import { href, useRoute } from "./router.ts";
import type { Route } from "./router.ts";
import { useSession } from "./session/use-session.ts";
import { ConnectionStatus } from "./status.tsx";
import { StreamFrame } from "./stream-frame.tsx";
import { SECTIONS } from "./views.ts";

/** What stands around every view: the navigation, the connection, and the key's button. */
export function Shell({ onForget }: { onForget: () => void }) {
  const session = useSession();
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  useHeading(main, route);
  const section = SECTIONS.find(({ path }) => path === (route.segments[0] ?? SECTIONS[0]?.path));
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          // The hash is the route.
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to content
      </a>
      <header class="top">
        <a class="brand" href={href([])}>
          Durable Stream
        </a>
        <nav aria-label="Sections">
          {SECTIONS.map(({ path, label }) => (
            <a key={path} href={href([path])} aria-current={path === section?.path ? "page" : undefined}>
              {label}
            </a>
          ))}
        </nav>
        <ConnectionStatus session={session} />
        <button type="button" class="quiet" onClick={onForget} title="Forget the key, and close the connection">
          Forget key
        </button>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <ErrorBoundary key={route.segments.join("/")}>
          <Place route={route} />
        </ErrorBoundary>
      </main>
    </>
  );
}

/** The view that a route names. */
function Place({ route: { segments, query } }: { route: Route }) {
  const [path = SECTIONS[0]?.path, ...rest] = segments;
  const [stream, ...behind] = rest;
  if (path === "streams" && stream !== undefined && stream !== "") {
    return <StreamFrame key={stream} stream={stream} rest={behind} query={query} />;
  }
  const found = SECTIONS.find((each) => each.path === path);
  if (found === undefined) {
    return (
      <>
        <h1 tabIndex={-1}>Not found</h1>
        <p>
          There is no such page. <a href={href([])}>Streams</a>
        </p>
      </>
    );
  }
  return <found.View rest={rest} query={query} />;
}

/** Names the page by its heading and, when somebody has gone there, has a screen reader begin at it. */
function useHeading(main: { readonly current: HTMLElement | null }, { segments }: Route): void {
  const isFirst = useRef(true);
  useEffect(() => {
    const heading = main.current?.querySelector("h1");
    document.title = `${heading?.textContent ?? "Console"} · Durable Stream`;
    if (!isFirst.current) {
      heading?.focus();
    }
    isFirst.current = false;
  }, [segments.join("/")]);
}
