/** Colours for changes: the ground of the page is zero. */
import { type Scale, scaleOf, type Stop } from "./colour.ts";
import type { Theme } from "./theme.svelte.ts";

/** Blue below zero, orange above: told apart with any colour vision. */
const divergingStops: Readonly<Record<Theme, readonly Stop[]>> = {
  light: [
    { lightness: 0.42, chroma: 0.11, hue: 240 },
    { lightness: 0.72, chroma: 0.1, hue: 235 },
    { lightness: 0.975, chroma: 0.004, hue: 100 },
    { lightness: 0.76, chroma: 0.12, hue: 55 },
    { lightness: 0.48, chroma: 0.14, hue: 40 },
  ],
  dark: [
    { lightness: 0.82, chroma: 0.11, hue: 235 },
    { lightness: 0.5, chroma: 0.1, hue: 240 },
    { lightness: 0.24, chroma: 0.006, hue: 180 },
    { lightness: 0.52, chroma: 0.12, hue: 45 },
    { lightness: 0.82, chroma: 0.13, hue: 60 },
  ],
};

/** For changes: zero is the colour of the ground, whatever the ends. */
export function diverging({ most, theme }: { most: number; theme: Theme }): Scale {
  return scaleOf(divergingStops[theme], { low: -most, high: most });
}
