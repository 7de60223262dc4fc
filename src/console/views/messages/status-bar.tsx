import { useState } from "preact/hooks";

import { formatDecimal, formatNumber } from "../../parts/format.ts";
import { useInterval } from "../../parts/use-interval.ts";
import type { TailState } from "../../tail/tail.ts";

/** How often what came is summed up for a screen reader, at most. */
const SUMMARY_MS = 5_000;

/** What the list does, what came, and what is not in it. */
export function StatusBar({ state, onNew }: { state: TailState; onNew: () => void }) {
  const { ending, isPaused, isJoined, waiting, received } = state;
  const isFollowing = state.isFollowing && ending === undefined;
  const mode = ending !== undefined ? "ended" : isPaused ? "paused" : isFollowing ? "live" : "reading";
  const words = {
    ended: "Ended",
    paused: "Paused",
    live: "Live",
    reading: isJoined ? "Reading, and counting what comes" : "Reading",
  };
  return (
    <p class="message-status">
      <span class={`message-mode ${mode}`}>{words[mode]}</span>
      {isFollowing && <Rate received={received} />}
      <span class="count" data-received={received}>
        {isJoined || received > 0 ? `${formatNumber(received)} came` : ""}
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

type Counted = { readonly rate: number; readonly before?: { readonly received: number; readonly at: number } };

function Rate({ received }: { received: number }) {
  const [counted, setCounted] = useState<Counted>({ rate: 0 });
  useInterval(() => {
    const at = performance.now();
    setCounted(({ before }) => {
      const rate = before === undefined ? 0 : (1_000 * (received - before.received)) / Math.max(1, at - before.at);
      return { rate, before: { received, at } };
    });
  }, 1_000);
  return <span class="count">{formatDecimal(counted.rate)} per second</span>;
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
