import { expect, it } from "vitest";

import { percentile } from "../bench/driver/meter.ts";
import type { Outcome } from "../bench/driver/meter.ts";
import { chartOf, panelsOf } from "../bench/report/chart.ts";
import { figureOf, spreadOf } from "../bench/report/results.ts";
import type { Row } from "../bench/report/results.ts";
import { tableOf } from "../bench/report/table.ts";

const outcome = (count: number, more: Partial<Outcome> = {}): Outcome => ({
  count,
  ms: 1_000,
  driverShare: 0.5,
  ...more,
});

function row(more: Partial<Row>): Row {
  return {
    workload: "publish, 256 open",
    unit: "messages/s",
    system: "durable-stream",
    way: "frames",
    outcomes: [],
    failures: [],
    ...more,
  };
}

it("takes the middle of an odd number of rounds, and the mean of the middle two of an even number", () => {
  expect(spreadOf([30, 10, 20])).toEqual({ median: 20, least: 10, most: 30 });
  expect(spreadOf([40, 10, 20, 30])).toEqual({ median: 25, least: 10, most: 40 });
});

it("takes a percentile from values in any order", () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);

  expect(percentile(values, 0.5)).toBe(51);
  expect(percentile(values, 0.99)).toBe(100);
  expect(percentile([], 0.5)).toBe(0);
});

it("tells a rate, a time or a figure of its own", () => {
  expect(figureOf({ ...outcome(500), ms: 250 }, "messages/s")).toBe(2_000);
  expect(figureOf({ ...outcome(500), ms: 250 }, "ms")).toBe(250);
  expect(figureOf(outcome(500, { figure: 7 }), "bytes")).toBe(7);
});

it("shows a failure, what was repeated and what was limited in the table", () => {
  const table = tableOf([
    row({ outcomes: [outcome(1_000), outcome(3_000, { repeated: 5 }), outcome(2_000, { note: "of 64" })] }),
    row({ way: "client", failures: ["the server is gone"] }),
  ]);

  expect(table).toMatch(/durable-stream, frames +2,000 +1,000 +3,000 .* 50 % +5 refused as Busy and repeated; of 64/);
  expect(table).toMatch(/durable-stream, client +failed +the server is gone/);
});

it("draws a bar for each way that was measured, as long as its median, and escapes what it writes", () => {
  const rows = [
    row({ outcomes: [outcome(1_000)] }),
    row({ system: "redis-always", way: "raw", outcomes: [outcome(2_000)] }),
    row({ system: "nats-always", way: "raw", failures: ["gone"] }),
    row({ workload: "not charted", outcomes: [outcome(1)] }),
  ];
  const panels = panelsOf(rows, ({ system, way }) => ({ label: `${system} <${way}>`, isSynced: true }));

  const svg = chartOf(panels, "rates & bars");

  const widths = [...svg.matchAll(/<rect x="[\d.]+" y="[\d.]+" width="([\d.]+)" height="13"/g)].map(([, width]) =>
    Number(width),
  );
  expect(panels).toHaveLength(1);
  expect(widths).toHaveLength(2);
  expect(widths[0]).toBeCloseTo((widths[1] ?? 0) / 2, 0);
  expect(svg).toContain("rates &amp; bars");
  expect(svg).toContain("redis-always &lt;raw>");
});
