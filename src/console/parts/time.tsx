import { formatTime } from "./format.ts";

/** A time of this machine's zone; hovering shows it in UTC. */
export function Time({ at }: { at: number }) {
  const utc = new Date(at).toISOString();
  return (
    <time dateTime={utc} title={utc}>
      {formatTime(at)}
    </time>
  );
}
