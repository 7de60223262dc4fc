import { useEffect, useMemo, useState } from "preact/hooks";

import { useClient } from "../../session/use-session.ts";
import { Tail } from "../../tail/tail.ts";

/** A tail of a stream, drawn at most once a frame, and not at all while the page is hidden. */
export function useTail(stream: string, filter: string | undefined): Tail {
  const client = useClient();
  const [, redraw] = useState({});
  const tail = useMemo(() => {
    let frame: number | undefined;
    const changed = () => {
      frame ??= requestAnimationFrame(() => {
        frame = undefined;
        made.flush();
        // Not the time of the frame, which two frames may have in common: the second one would draw nothing.
        redraw({});
      });
    };
    const made = new Tail(client, stream, { filter, changed });
    return made;
  }, [client, stream, filter]);
  useEffect(() => () => tail.close(), [tail]);
  return tail;
}
