/** A chart of curves by uPlot: its options and its data, in the page's colours. Knows no runs. */
import uPlot from "uplot";
import type { Curve } from "./curves.ts";

export interface ChartLook {
  readonly curves: readonly Curve[];
  readonly isLog: boolean;
  readonly formatX: (value: number) => string;
  readonly formatY: (value: number) => string;
  /** Whole numbers only on the x axis: steps have no halves. */
  readonly isWhole: boolean;
}

export interface ChartEvents {
  /** The pointer's place among the curves' points changed; null when it left. */
  onpoint(indices: readonly (number | null)[] | null): void;
  /** A part was marked to look at; undefined for all of it. */
  onrange(range: [number, number] | undefined): void;
}

/** All charts of a page point at the same place. */
const sync = uPlot.sync("engram.runs");

export function chartOptions(
  { curves, isLog, formatX, formatY, isWhole }: ChartLook,
  { onpoint, onrange }: ChartEvents,
): Omit<uPlot.Options, "width" | "height"> {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const font = `12px ${colour("sans")}`;
  const axis: uPlot.Axis = {
    stroke: colour("ink-faint"),
    font,
    grid: { stroke: colour("line"), width: 1 },
    ticks: { stroke: colour("line"), width: 1, size: 4 },
  };
  return {
    legend: { show: false },
    padding: [8, 12, 0, 0],
    scales: {
      x: { time: false },
      y: isLog ? { distr: 3, log: 10 } : { range: padded },
    },
    axes: [
      {
        ...axis,
        size: 30,
        space: 70,
        ...(isWhole && {
          incrs: [
            1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6,
          ],
        }),
        values: (_, splits) => splits.map((split) => formatX(split)),
      },
      {
        ...axis,
        size: 56,
        ...(isLog && { filter: (_, splits) => splits }),
        values: (_, splits) =>
          thinLabels(splits, isLog).map((split) => (split === null ? "" : formatY(split))),
      },
    ],
    series: [
      {},
      ...curves.flatMap((curve): uPlot.Series[] => [
        {
          stroke: curve.colour,
          width: 1.75,
          dash: [...curve.dash],
          spanGaps: true,
          points: { show: curve.isSparse, size: 7, fill: curve.colour },
        },
        {
          stroke: `${curve.colour}55`,
          width: 1,
          spanGaps: true,
          points: { show: false },
          show: curve.raw !== undefined,
        },
      ]),
    ],
    cursor: {
      y: false,
      points: { show: (u, series) => (series % 2 === 1 ? pointAt(u, series) : undefined!) },
      drag: { x: true, y: false, setScale: false },
      // Where only another curve has a value, each one answers with its nearest.
      dataIdx: (u, series, index) => nearestValue(u.data[series], index),
      sync: {
        key: sync.key,
        scales: ["x", null],
        filters: { pub: (type) => type === "mousemove" || type === "mouseleave" },
      },
      bind: {
        dblclick: () => () => {
          onrange(undefined);
          return null;
        },
      },
    },
    hooks: {
      setCursor: [
        (u) => {
          const isIn = (u.cursor.left ?? -1) >= 0;
          onpoint(isIn ? curves.map((_, i) => u.cursor.idxs?.[1 + 2 * i] ?? null) : null);
        },
      ],
      setSelect: [
        (u) => {
          const { left, width } = u.select;
          if (width < 4) return;
          onrange([u.posToVal(left, "x"), u.posToVal(left + width, "x")]);
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

/** One row of places, and each curve's values there and before smoothing. */
export function chartData(curves: readonly Curve[]): uPlot.AlignedData {
  if (curves.length === 0) return [[]];
  return uPlot.join(
    curves.map(({ x, y, raw }) => [
      [...x],
      [...y],
      raw === undefined ? x.map(() => null) : [...raw],
    ]),
  );
}

/** Some room above and below, none for what is not there. */
function padded(_: uPlot, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const room = high > low ? 0.06 * (high - low) : Math.abs(high) * 0.1 || 1;
  return [low - room, high + room];
}

function pointAt(u: uPlot, series: number): HTMLElement {
  const dot = document.createElement("div");
  dot.classList.add("u-cursor-pt");
  dot.style.background = String((u.series[series] as { _stroke?: string })._stroke ?? "");
  return dot;
}

function nearestValue(values: uPlot.AlignedData[number] | undefined, index: number): number {
  if (values === undefined || values[index] !== null) return index;
  for (let distance = 1; distance < values.length; distance++)
    for (const at of [index - distance, index + distance])
      if (at >= 0 && at < values.length && values[at] !== null && values[at] !== undefined)
        return at;
  return index;
}

/** A logarithmic axis marks every digit and names 1, 2 and 5. */
function thinLabels(splits: readonly number[], isLog: boolean): (number | null)[] {
  if (!isLog) return [...splits];
  return splits.map((split) => {
    const digit = Math.round(split / 10 ** Math.floor(Math.log10(split) + 1e-9));
    return splits.length <= 6 || digit === 1 || digit === 2 || digit === 5 ? split : null;
  });
}
