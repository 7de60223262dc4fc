import { useEffect, useMemo, useState } from "preact/hooks";

import { useClient } from "../../session/use-session.ts";
import { Tail } from "../../tail/tail.ts";

/** A tail of a stream, drawn at most once a frame, and not at all while the page is hidden. */
export function useTail(stream: string, filter: string | undefined): Tail {
  const client = useClient();
  const [, setFrame] = useState(0);
  const tail = useMemo(() => {
    let frame: number | undefined;
    const changed = () => {
      frame ??= requestAnimationFrame((at) => {
        frame = undefined;
        made.flush();
        setFrame(at);
      });
    };
    const made = new Tail(client, stream, { filter, changed });
    return made;
  }, [client, stream, filter]);
  useEffect(() => () => tail.close(), [tail]);
  return tail;
}
