import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

import { formatClock, formatDecimal } from "./format.ts";

/** Series that a plot can show, each with a colour of its own. */
const COLOURS = ["plot-1", "plot-2", "plot-3"] as const;

type Series = {
  readonly label: string;
  /** One value for each of `times`; null where nothing was measured. */
  readonly values: readonly (number | null)[];
};

type PlotProps = {
  readonly title: string;
  /** Behind each number: `messages/s`. */
  readonly unit: string;
  /** In milliseconds since the epoch, ascending. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly height?: number;
  readonly format?: (value: number) => string;
};

/** Lines over time, in the colours of the theme. The caption has the newest values as text. */
export function Plot({ title, unit, times, series, height = 160, format = formatDecimal }: PlotProps) {
  const root = useRef<HTMLElement>(null);
  const plot = useRef<uPlot>(undefined);
  const theme = useTheme();
  const data = [times.map((ms) => ms / 1_000), ...series.map(({ values }) => [...values])] satisfies unknown[];
  const labels = series.map(({ label }) => label).join();

  useEffect(() => {
    const figure = root.current;
    if (figure === null) {
      return undefined;
    }
    const width = () => Math.max(100, figure.clientWidth - 26);
    const made = new uPlot(
      optionsOf(figure, { width: width(), height, count: series.length, format }),
      undefined,
      figure,
    );
    plot.current = made;
    const resizing = new ResizeObserver(() => made.setSize({ width: width(), height }));
    resizing.observe(figure);
    return () => {
      resizing.disconnect();
      made.destroy();
    };
  }, [theme, labels, height]);

  useEffect(() => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its type asks for a tuple that cannot be mapped to
    plot.current?.setData(data as uPlot.AlignedData);
  });

  return (
    <figure class="plot" ref={root}>
      <figcaption>
        <span class="plot-title">{title}</span>
        {series.map(({ label, values }, index) => (
          <span key={label} class={`plot-series ${COLOURS[index] ?? ""}`}>
            <span>
              {label}{" "}
              {words(
                values.findLast((value) => value !== null),
                unit,
                format,
              )}
            </span>
          </span>
        ))}
        <span class="plot-grid" aria-hidden="true" />
        <span class="plot-axis" aria-hidden="true" />
      </figcaption>
    </figure>
  );
}

function words(value: number | null | undefined, unit: string, format: (value: number) => string): string {
  return value === undefined || value === null ? "–" : `${format(value)} ${unit}`;
}

type Sizes = { width: number; height: number; count: number; format: (value: number) => string };

function optionsOf(figure: HTMLElement, { width, height, count, format }: Sizes): uPlot.Options {
  const colour = (name: string) => {
    const found = figure.querySelector(`.${name}`);
    return found === null ? "" : getComputedStyle(found).color;
  };
  const axis = {
    stroke: colour("plot-axis"),
    grid: { stroke: colour("plot-grid"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
  return {
    width,
    height,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 8, 0, 0],
    scales: {
      // Of a single point uPlot makes a day, each label of which is midnight.
      x: { range: ({ data }, least, most) => (data[0].length === 1 ? [least - 60, least] : [least, most]) },
      y: { range: (_, _least, most) => [0, most > 0 ? most * 1.1 : 1] },
    },
    axes: [
      { ...axis, size: 26, space: 90, values: (_, splits) => splits.map(clockOf) },
      { ...axis, size: 56, space: 30, values: (_, splits) => splits.map(format) },
    ],
    series: [
      {},
      ...Array.from({ length: count }, (_, index) => ({
        stroke: colour(COLOURS[index] ?? COLOURS[0]),
        width: 1.5,
        points: { show: false },
      })),
    ],
  };
}

/** A tick of the axis of time; nothing without data, when it is of 1970. */
function clockOf(seconds: number): string {
  return seconds < 86_400 ? "" : formatClock(seconds * 1_000);
}

/** Changes when the colour scheme does: a canvas keeps the colours that it was drawn with. */
function useTheme(): boolean {
  const [isDark, setDark] = useState(() => darkScheme().matches);
  useEffect(() => {
    const query = darkScheme();
    const changed = () => setDark(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  return isDark;
}

function darkScheme(): MediaQueryList {
  return matchMedia("(prefers-color-scheme: dark)");
}
