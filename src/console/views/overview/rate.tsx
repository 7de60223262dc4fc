import { useRef } from "preact/hooks";

import type { StreamInfo } from "../../../../rpc/index.ts";
import { Plot } from "../../parts/plot.tsx";

/** How many samples are kept: five minutes. */
const MOST_SAMPLES = 150;

type Sample = { readonly at: number; readonly last: number };
type Samples = { epoch: string; of: StreamInfo | undefined; readonly list: Sample[] };

/** How fast messages come, since this view was opened: by the last sequence, so deletions do not count. */
export function Rate({ info, at: answeredAt }: { info: StreamInfo; at: number }) {
  const samples = useSamples(info, answeredAt);
  const rates = samples.map(({ at, last }, index) => {
    const before = samples[index - 1];
    return before === undefined || at <= before.at ? null : ((last - before.last) * 1_000) / (at - before.at);
  });
  return (
    <Plot
      title="Publish rate"
      unit="messages/s"
      times={samples.map(({ at }) => at)}
      series={[{ label: "now", values: rates }]}
    />
  );
}

function useSamples(info: StreamInfo, at: number): readonly Sample[] {
  const kept = useRef<Samples>({ epoch: info.epoch, of: undefined, list: [] });
  const samples = kept.current;
  if (samples.epoch !== info.epoch) {
    samples.list.length = 0;
    samples.epoch = info.epoch;
  }
  // Each answer is an object of its own.
  if (samples.of !== info) {
    samples.of = info;
    samples.list.push({ at, last: info.lastSequence });
    samples.list.splice(0, samples.list.length - MOST_SAMPLES);
  }
  return samples.list;
}
