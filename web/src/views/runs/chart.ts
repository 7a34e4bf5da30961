/** A chart of curves by uPlot: its options and its data, in the page's colours. Knows no runs. */
import uPlot from "uplot";
import type { Curve } from "./curves.ts";

export interface ChartLook {
  readonly curves: readonly Curve[];
  readonly isLog: boolean;
  readonly formatX: (value: number) => string;
  /** Distances that marks of the x axis may have; steps have no halves, hours no tenths. */
  readonly increments: readonly number[] | undefined;
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
  { curves, isLog, formatX, increments }: ChartLook,
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
      y: isLog ? { distr: 3, log: 10, range: paddedByFactor } : { range: padded },
    },
    axes: [
      {
        ...axis,
        size: 30,
        space: 70,
        ...(increments && { incrs: [...increments] }),
        values: (_, splits) => splits.map((split) => formatX(split)),
      },
      {
        ...axis,
        size: 56,
        ...(isLog && {
          splits: (_, __, low, high) => logSplits(low, high),
          filter: (_, splits) => splits,
        }),
        values: (_, splits, __, ___, step) =>
          isLog ? splits.map(logLabel) : splits.map((split) => axisLabel(split, step)),
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

function paddedByFactor(_: uPlot, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null || low <= 0) return [0.1, 10];
  return [low / 1.06, high * 1.06];
}

function pointAt(u: uPlot, series: number): HTMLElement {
  const dot = document.createElement("div");
  dot.classList.add("u-cursor-pt");
  dot.style.background = String((u.series[series] as { _stroke?: string })._stroke ?? "");
  return dot;
}

/** The nearest place with a value; `index` itself beyond the curve's ends, where there is none. */
function nearestValue(values: uPlot.AlignedData[number] | undefined, index: number): number {
  const has = (at: number): boolean => typeof values?.[at] === "number";
  if (values === undefined || has(index)) return index;
  let before = index - 1;
  while (before >= 0 && !has(before)) before--;
  let after = index + 1;
  while (after < values.length && !has(after)) after++;
  if (before < 0 || after >= values.length) return index;
  return index - before <= after - index ? before : after;
}

/** As many decimals as tell neighbours apart. */
function axisLabel(value: number, step: number): string {
  if (step < 1e-4) return value === 0 ? "0" : value.toExponential(1).replace("-", "\u2212");
  const decimals = String(Number(step.toPrecision(6))).split(".")[1]?.length ?? 0;
  return value.toLocaleString(undefined, {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

/** Marks of a logarithmic axis: 1, 2 and 5 of each decade or, where there is less than one, even ones. */
function logSplits(low: number, high: number): number[] {
  if (high / low < 8) {
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((digit) => digit * power).find((one) => one >= rough)!;
    const first = Math.ceil(low / step);
    return Array.from(
      { length: Math.floor(high / step) - first + 1 },
      (_, i) => (first + i) * step,
    );
  }
  const splits: number[] = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
    for (const digit of [1, 2, 5])
      if (digit * 10 ** power >= low && digit * 10 ** power <= high)
        splits.push(digit * 10 ** power);
  return splits;
}

function logLabel(value: number): string {
  return value < 1e-3
    ? value.toExponential(0).replace("-", "\u2212")
    : String(Number(value.toPrecision(3)));
}
