/** Colours for amounts: from the ground of the page to the strongest contrast with it. */
import { type Ends, type Scale, scaleOf, type Stop } from "./colour.ts";
import type { Theme } from "./theme.svelte.ts";

/** From the ground of each theme to the strongest contrast with it. */
const sequentialStops: Readonly<Record<Theme, readonly Stop[]>> = {
  light: [
    { lightness: 0.975, chroma: 0.012, hue: 100 },
    { lightness: 0.87, chroma: 0.075, hue: 150 },
    { lightness: 0.68, chroma: 0.1, hue: 185 },
    { lightness: 0.5, chroma: 0.095, hue: 220 },
    { lightness: 0.33, chroma: 0.09, hue: 262 },
  ],
  dark: [
    { lightness: 0.23, chroma: 0.02, hue: 262 },
    { lightness: 0.37, chroma: 0.075, hue: 245 },
    { lightness: 0.55, chroma: 0.1, hue: 200 },
    { lightness: 0.74, chroma: 0.12, hue: 165 },
    { lightness: 0.92, chroma: 0.13, hue: 110 },
  ],
};

/** For amounts: the least is the colour of the ground. */
export function sequential({ low, high, theme }: Ends & { readonly theme: Theme }): Scale {
  return scaleOf(sequentialStops[theme], { low, high });
}
