import { useRef, useState } from "preact/hooks";

import { formatDecimal, formatNumber } from "../../parts/format.ts";
import { useInterval } from "../../parts/use-interval.ts";
import type { TailState } from "../../tail/tail.ts";

/** How often what came is summed up for a screen reader, at most. */
const SUMMARY_MS = 5_000;

/** What the list does, what came, and what is not in it. */
export function StatusBar({ state, onNew }: { state: TailState; onNew: () => void }) {
  const { isPaused, isFollowing, isJoined, waiting, received } = state;
  const mode = isPaused ? "paused" : isFollowing ? "live" : "reading";
  const words = { paused: "Paused", live: "Live", reading: isJoined ? "Reading, and counting what comes" : "Reading" };
  return (
    <p class="message-status">
      <span class={`message-mode ${mode}`}>{words[mode]}</span>
      {isFollowing && <Rate received={received} />}
      <span class="count" data-received={received}>
        {formatNumber(received)} came
      </span>
      {waiting > 0 && (
        <button type="button" class="quiet" data-waiting={waiting} onClick={onNew}>
          {formatNumber(waiting)} new
        </button>
      )}
      <Summary received={received} />
    </p>
  );
}

function Rate({ received }: { received: number }) {
  const [rate, setRate] = useState(0);
  const before = useRef({ received, at: performance.now() });
  useInterval(() => {
    const at = performance.now();
    const came = received - before.current.received;
    setRate((1_000 * came) / Math.max(1, at - before.current.at));
    before.current = { received, at };
  }, 1_000);
  return <span class="count">{formatDecimal(rate)} per second</span>;
}

/** Says how many came, every few seconds: not each of them. */
function Summary({ received }: { received: number }) {
  const [said, setSaid] = useState({ received, words: "" });
  useInterval(() => {
    const came = received - said.received;
    if (came !== 0) {
      setSaid({ received, words: `${formatNumber(came)} new ${came === 1 ? "message" : "messages"}` });
    }
  }, SUMMARY_MS);
  return (
    <span class="unseen" role="status">
      {said.words}
    </span>
  );
}
