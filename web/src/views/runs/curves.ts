/** What is drawn of a set of runs: which curves a chart has, over which axis, how smooth. */
import type { Theme } from "../../theme.svelte.ts";
import { dashOf, lookOf } from "./palette.ts";
import { type RunSeries, smoothed, thinned, type XAxis } from "./series.ts";

export interface Curve {
  /** The run, and what of it if a chart has several curves of one run. */
  readonly name: string;
  readonly colour: string;
  readonly dash: readonly number[];
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  /** What `y` was before smoothing, drawn faintly behind it. */
  readonly raw: readonly (number | null)[] | undefined;
  /** Few values, each of its own weight: drawn with a dot. */
  readonly isSparse: boolean;
}

export interface ShownRun {
  readonly name: string;
  /** Place among all runs of the server, hidden ones included: its colour stays when others are hidden. */
  readonly index: number;
  readonly series: RunSeries;
}

export interface CurveOptions {
  readonly axis: XAxis;
  readonly smoothing: number;
  readonly range: readonly [number, number] | undefined;
  readonly theme: Theme;
}

/** More points than a wide screen has pixels would only take time. */
const limit = 2000;

export type Column = "loss" | "gradientNorm" | "lr" | "tokensPerSecond";

export function columnCurves(
  runs: readonly ShownRun[],
  column: Column,
  options: CurveOptions,
): Curve[] {
  return runs.map(({ name, index, series }) =>
    curveOf(
      { name, x: series[options.axis], y: series[column], ...lookOf(index, options.theme) },
      options,
    ),
  );
}

/** A curve for each layer that carries memory; runs without memory have none. */
export function gateCurves(runs: readonly ShownRun[], options: CurveOptions): Curve[] {
  return runs.flatMap(({ name, index, series }) => {
    const { colour, dash } = lookOf(index, options.theme);
    return [...series.gates].map(([layer, gates], i) =>
      curveOf(
        {
          name: `${name}, layer ${layer}`,
          x: series[options.axis],
          y: gates,
          colour,
          dash: series.gates.size === 1 ? dash : dashOf(i),
        },
        options,
      ),
    );
  });
}

export function validationCurves(runs: readonly ShownRun[], options: CurveOptions): Curve[] {
  return runs.map(({ name, index, series }) => ({
    name,
    ...lookOf(index, options.theme),
    ...thinned(
      {
        x: series.validations.map((one) => one[options.axis]),
        y: series.validations.map(({ bitsPerByte }) => bitsPerByte),
      },
      { range: undefined, limit },
    ),
    raw: undefined,
    isSparse: true,
  }));
}

function curveOf(
  {
    name,
    x,
    y,
    colour,
    dash,
  }: {
    name: string;
    x: readonly number[];
    y: readonly number[];
    colour: string;
    dash: readonly number[];
  },
  { smoothing, range }: CurveOptions,
): Curve {
  const cut = { range, limit };
  const points = thinned({ x, y: smoothed(y, smoothing) }, cut);
  return {
    name,
    colour,
    dash,
    ...points,
    raw: smoothing === 0 ? undefined : thinned({ x, y }, cut).y,
    isSparse: false,
  };
}
