import { href } from "./router.ts";
import type { StreamViewProps } from "./view.ts";
import { STREAM_VIEWS } from "./views.ts";

/** A stream: its name, its tabs, and the view that is open. */
export function StreamFrame({ stream, rest, query }: StreamViewProps) {
  const [path, ...behind] = rest;
  const open = STREAM_VIEWS.find((each) => each.path === path) ?? STREAM_VIEWS[0];
  return (
    <>
      <header class="stream-head">
        <p class="crumb">
          <a href={href(["streams"])}>Streams</a>
        </p>
        <h1 tabIndex={-1}>{stream}</h1>
        <nav class="tabs" aria-label={`Views of ${stream}`}>
          {STREAM_VIEWS.map(({ path: each, label }) => (
            <a
              key={each}
              href={href(["streams", stream, each])}
              aria-current={each === open?.path ? "page" : undefined}
            >
              {label}
            </a>
          ))}
        </nav>
      </header>
      {open !== undefined && <open.View key={open.path} stream={stream} rest={behind} query={query} />}
    </>
  );
}
