import { figureOf, spreadOf } from "./results.ts";
import type { Row } from "./results.ts";
import { grouped } from "./table.ts";

/** A bar, with what to write beside it. */
type Bar = BarName & { isOurs: boolean; median: number; least: number; most: number };
/** Whose bar it is, and whether that system syncs before it acknowledges. */
export type BarName = { label: string; isSynced: boolean };
/** The bars of one workload, with a scale of their own. */
export type Panel = { title: string; bars: readonly Bar[] };

/** What a reader of the README wants to see first. */
const CHARTED = [
  "publish, one at a time",
  "publish, 256 open",
  "publish, 4,096 open",
  "publish, 8 publishers, 256 open each",
  "fan-out to 100, saturated",
  "fan-out to 1,000, saturated",
  "replay of 100,000",
  "consumer, 8 workers",
];

const WIDTH = 880;
const COLUMNS = 2;
const MARGIN = 16;
const LABEL_WIDTH = 166;
const FIGURE_WIDTH = 74;
const BAR_HEIGHT = 13;
const BAR_STEP = 18;
const TITLE_HEIGHT = 28;
const PANEL_GAP = 14;

const COLOURS = { ours: "#f6821f", synced: "#8c99a8", notSynced: "#d3dae1" };

/** The panels of the chart. @param nameOf How a system and a way are shown. */
export function panelsOf(rows: readonly Row[], nameOf: (row: Row) => BarName): Panel[] {
  return CHARTED.flatMap((workload) => {
    const ofWorkload = rows.filter((row) => row.workload === workload && row.outcomes.length > 0);
    const [{ unit } = {}] = ofWorkload;
    const bars = ofWorkload.map((row) => ({
      ...nameOf(row),
      isOurs: row.system === "durable-stream",
      ...spreadOf(row.outcomes.map((outcome) => figureOf(outcome, row.unit))),
    }));
    return unit === undefined ? [] : [{ title: `${workload} (${unit})`, bars }];
  });
}

/** The panels as an SVG, two beside each other. It brings its own background, as a page may be dark. */
export function chartOf(panels: readonly Panel[], title: string): string {
  const columnWidth = (WIDTH - MARGIN * (COLUMNS + 1)) / COLUMNS;
  const tops = Array.from({ length: COLUMNS }, () => MARGIN + 60);
  const drawn = panels.map((panel) => {
    const column = tops.indexOf(Math.min(...tops));
    const top = tops[column] ?? 0;
    tops[column] = top + heightOf(panel) + PANEL_GAP;
    return drawPanel(panel, { x: MARGIN + column * (columnWidth + MARGIN), y: top, width: columnWidth });
  });
  const height = Math.max(...tops) + MARGIN - PANEL_GAP;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
      `font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="11" fill="#24292f" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" rx="8" fill="#ffffff" stroke="#d0d7de"/>`,
    `<text x="${MARGIN}" y="${MARGIN + 16}" font-size="14" font-weight="600">${escaped(title)}</text>`,
    drawLegend(MARGIN + 30),
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}

function drawLegend(y: number): string {
  const entries = [
    { colour: COLOURS.ours, text: "Durable Stream: synced to disk before it is acknowledged", width: 370 },
    { colour: COLOURS.synced, text: "another, synced before", width: 200 },
    { colour: COLOURS.notSynced, text: "another, not synced before", width: 0 },
  ];
  let x = MARGIN;
  const drawn = entries.map(({ colour, text, width }) => {
    const at = x;
    x += width;
    return (
      `<rect x="${at}" y="${y}" width="10" height="10" rx="2" fill="${colour}"/>` +
      `<text x="${at + 16}" y="${y + 9}">${text}</text>`
    );
  });
  return drawn.join("");
}

function heightOf({ bars }: Panel): number {
  return TITLE_HEIGHT + bars.length * BAR_STEP;
}

function drawPanel({ title, bars }: Panel, { x, y, width }: { x: number; y: number; width: number }): string {
  const full = Math.max(...bars.map(({ most }) => most), 1);
  const room = width - LABEL_WIDTH - FIGURE_WIDTH;
  const left = x + LABEL_WIDTH;
  const lines = bars.map(({ label, isOurs, isSynced, median, least, most }, index) => {
    const top = y + TITLE_HEIGHT - 8 + index * BAR_STEP;
    const [base, middle] = [top + BAR_HEIGHT - 3, top + BAR_HEIGHT / 2];
    const at = (figure: number) => rounded(left + (figure / full) * room);
    const colour = isOurs ? COLOURS.ours : isSynced ? COLOURS.synced : COLOURS.notSynced;
    const weight = isOurs ? ' font-weight="600"' : "";
    return [
      `<text x="${left - 8}" y="${base}" text-anchor="end"${weight}>${escaped(label)}</text>`,
      `<rect x="${left}" y="${top}" width="${rounded(Math.max(1, (median / full) * room))}" height="${BAR_HEIGHT}" rx="2" fill="${colour}"/>`,
      `<path d="M${at(least)} ${middle}H${at(most)}" stroke="#24292f" stroke-width="1"/>`,
      `<text x="${rounded(at(most) + 6)}" y="${base}"${weight}>${grouped(Math.round(median))}</text>`,
    ].join("");
  });
  return [`<text x="${x}" y="${y + 10}" font-size="12" font-weight="600">${escaped(title)}</text>`, ...lines].join(
    "\n",
  );
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
