/**
 * How runs are told apart: colours that differ for any colour vision (after Okabe and Ito 2008, darkened for the light
 * ground and lightened for the dark one) and, from the second run on, dashes as well.
 */
import type { Theme } from "../../theme.svelte.ts";

const colours: Readonly<Record<Theme, readonly string[]>> = {
  light: ["#0069a8", "#c04a00", "#007a5a", "#a63d7d", "#8a6100", "#4b4f52"],
  dark: ["#5db8ef", "#ff9f5e", "#3ecb9e", "#ea9ccb", "#e6c04a", "#c9cfcb"],
};

const dashes: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

export interface Look {
  readonly colour: string;
  /** Lengths of strokes and gaps; none for a line. */
  readonly dash: readonly number[];
}

export function lookOf(index: number, theme: Theme): Look {
  const palette = colours[theme];
  const round = Math.floor(index / palette.length);
  return {
    colour: palette[index % palette.length]!,
    dash: dashes[(index + round) % dashes.length]!,
  };
}

/** Of several curves of one run, such as the gates of its layers. */
export function dashOf(index: number): readonly number[] {
  return dashes[index % dashes.length]!;
}
