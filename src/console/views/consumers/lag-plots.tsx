import { useEffect, useState } from "preact/hooks";

import { formatDuration } from "../../parts/format.ts";
import { Plot } from "../../parts/plot.tsx";

import { lagMessages } from "./lag.ts";
import type { Sample } from "./lag.ts";

/** Samples that are kept: ten minutes of one a second. */
const MOST_SAMPLES = 600;

type Point = { readonly at: number; readonly sample: Sample | undefined };

/** A consumer over time, from when its page was opened. Where it could not be asked, the lines have a gap. */
export function LagPlots({ sample, error }: { sample: Sample; error: Error | undefined }) {
  const [points, setPoints] = useState<readonly Point[]>([]);
  useEffect(() => {
    const point = error === undefined ? { at: sample.at, sample } : { at: Date.now(), sample: undefined };
    setPoints((before) => [...before, point].slice(-MOST_SAMPLES));
  }, [sample, error]);

  const times = points.map(({ at }) => at);
  const valuesOf = (value: (sample: Sample) => number | undefined) =>
    points.map((point) => (point.sample === undefined ? null : (value(point.sample) ?? null)));
  return (
    <section class="plots" aria-label="Since this page was opened">
      <Plot
        title="Messages"
        unit=""
        times={times}
        series={[
          { label: "lag", values: valuesOf(({ info }) => lagMessages(info)) },
          { label: "in flight", values: valuesOf(({ info }) => info.inFlight) },
          { label: "redelivered", values: valuesOf(({ info }) => info.redelivered) },
        ]}
      />
      <Plot
        title="Lag in time"
        unit=""
        times={times}
        format={formatDuration}
        series={[{ label: "age", values: valuesOf(({ lag }) => lag?.ms) }]}
      />
    </section>
  );
}
