/**
 * Colours for numbers: scales that grow evenly for the eye, in light and in dark, with the ink that can be
 * read on each. Made in OKLCH (Ottosson 2020) and handed out as sRGB, so that canvases and styles agree.
 */
export interface Scale {
  readonly low: number;
  readonly high: number;
  /** Values beyond the ends have the ends' colours. */
  colour(value: number): string;
  /** Black or white, whichever reads better on `colour(value)`. */
  ink(value: number): string;
  /** As `colour`, as bytes for an ImageData. */
  rgb(value: number): readonly [number, number, number];
}

type Rgb = readonly [number, number, number];

export interface Stop {
  readonly lightness: number;
  readonly chroma: number;
  readonly hue: number;
}

export interface Ends {
  readonly low: number;
  readonly high: number;
}

const steps = 256;

/** Colours are looked up in a table: a strip or a map asks for thousands at a time. */
export function scaleOf(stops: readonly Stop[], { low, high }: Ends): Scale {
  const table = Array.from({ length: steps }, (_, i) => toRgb(between(stops, i / (steps - 1))));
  const css = table.map(([r, g, b]) => `rgb(${r} ${g} ${b})`);
  const inks = table.map((rgb) => (luminance(rgb) > 0.179 ? "#000000" : "#ffffff"));
  const at = (value: number): number => {
    const part = high > low ? (value - low) / (high - low) : 0.5;
    return Math.round(Math.min(1, Math.max(0, part)) * (steps - 1)) || 0;
  };
  return {
    low,
    high,
    colour: (value) => css[at(value)]!,
    ink: (value) => inks[at(value)]!,
    rgb: (value) => table[at(value)]!,
  };
}

function between(stops: readonly Stop[], part: number): Stop {
  const place = part * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(place));
  const [from, to] = [stops[index]!, stops[index + 1]!];
  const share = place - index;
  const mix = (a: number, b: number): number => a + (b - a) * share;
  return {
    lightness: mix(from.lightness, to.lightness),
    chroma: mix(from.chroma, to.chroma),
    hue: mix(from.hue, to.hue),
  };
}

function toRgb({ lightness, chroma, hue }: Stop): Rgb {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    toByte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    toByte(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    toByte(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** Linear light to an sRGB byte; what lies outside the gamut is cut off. */
function toByte(linear: number): number {
  const x = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.round(255 * Math.min(1, Math.max(0, x)));
}

/** Relative luminance as WCAG 2 defines it; black and white read equally well at 0.179. */
function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((byte) => {
    const x = byte / 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
