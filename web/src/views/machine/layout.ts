/** Where the parts of the drawing lie: side by side in a wide window, one below the other in a narrow one. */
import type { StageId } from "./stages.ts";

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly boxes: Readonly<Record<Exclude<StageId, "gate">, Box>>;
  /** The stream runs from here to there. */
  readonly stream: { readonly from: Point; readonly to: Point };
  /** Middles of the layers' boxes, which lie across the stream. */
  readonly layers: readonly Point[];
  readonly layerSize: { readonly width: number; readonly height: number };
  /** Where the memory of the drawn layer reaches the stream, and its gate. */
  readonly gate: Point;
  /** Arrows, from what to what. */
  readonly arrows: readonly string[];
}

interface Point {
  readonly x: number;
  readonly y: number;
}

export interface LayoutOptions {
  readonly numLayers: number;
  /** Which of the layers that are drawn has the memory; undefined without rows. */
  readonly memoryAt: number | undefined;
  readonly hasCounts: boolean;
}

/** More layers than this are drawn as so many. */
export const mostLayers = 8;

const between = (from: number, to: number, part: number): number => from + (to - from) * part;

/** Below this width of the window's part, text of the wide drawing would be too small to read. */
export const wideFrom = 900;

export function layoutOf(isWide: boolean, options: LayoutOptions): Layout {
  return isWide ? wide(options) : narrow(options);
}

function wide({ numLayers, memoryAt, hasCounts }: LayoutOptions): Layout {
  const hasRows = memoryAt !== undefined;
  const streamY = 60;
  const [left, right] = [300, 930];
  const shown = Math.min(numLayers, mostLayers);
  const layers = Array.from({ length: shown }, (_, i) => ({
    x: between(left + 60, right - 40, shown === 1 ? 0.5 : i / (shown - 1)),
    y: streamY,
  }));
  const gate = { x: (layers[memoryAt ?? 0]?.x ?? left) - 42, y: 165 };
  const top = 250;
  const high = 150;
  const countsY = hasRows ? top : 170;
  const boxes = {
    tokens: { x: 10, y: 20, width: 250, height: 100 },
    compressed: { x: 10, y: top, width: 175, height: high },
    ngrams: { x: 220, y: top, width: 185, height: high },
    numbers: { x: 440, y: top, width: 185, height: high },
    rows: { x: 660, y: top, width: 240, height: high },
    stream: { x: left, y: 20, width: right - left, height: 100 },
    counts: { x: 935, y: countsY, width: 255, height: hasRows ? high : 100 },
    next: { x: 960, y: 20, width: 230, height: 100 },
  };
  return {
    width: 1200,
    height: hasRows || hasCounts ? countsY + (hasRows ? high : 100) + (hasCounts ? 34 : 6) : 130,
    boxes,
    stream: { from: { x: 262, y: streamY }, to: { x: 956, y: streamY } },
    layers,
    layerSize: { width: 44, height: 58 },
    gate,
    arrows: [
      ...(hasRows
        ? [
            `M97 122 V${top - 6}`,
            `M187 ${top + 75} H214`,
            `M407 ${top + 75} H434`,
            `M627 ${top + 75} H654`,
            `M780 ${top - 2} C780 190 ${gate.x + 150} 165 ${gate.x + 28} 165`,
            `M${gate.x} 139 V${streamY + 11}`,
          ]
        : []),
      ...(hasCounts
        ? hasRows
          ? [`M40 122 C40 190 -30 440 60 ${top + high + 25} H1062 V${top + high + 4}`]
          : ["M97 122 C97 230 500 220 929 220"]
        : []),
      ...(hasCounts ? [`M1075 ${countsY - 2} V126`] : []),
    ],
  };
}

function narrow({ numLayers, memoryAt, hasCounts }: LayoutOptions): Layout {
  const hasRows = memoryAt !== undefined;
  const streamX = 335;
  const step = 112;
  const high = 96;
  const start = 122;
  const below = hasRows ? start + 4 * step : start;
  // Below what the gate is called.
  const countsAt = below + (hasRows ? 56 : 40);
  const shown = Math.min(numLayers, mostLayers);
  const after = shown - (memoryAt ?? 0);
  const end = Math.max(below + 40 + 42 * after, hasCounts ? countsAt + high + 30 : 0);
  const gateY = below + 6;
  // Layers before the memory's lie above its gate, the others below.
  const before = memoryAt ?? 0;
  const layers = Array.from({ length: shown }, (_, i) => {
    const isBefore = hasRows && i < before;
    const [from, to] = isBefore
      ? [start + 20, gateY - 50]
      : [hasRows ? gateY + 42 : start + 20, end - 32];
    const [n, of] = isBefore
      ? [i, before]
      : [i - (hasRows ? before : 0), shown - (hasRows ? before : 0)];
    return { x: streamX, y: of === 1 ? between(from, to, 0.5) : between(from, to, n / (of - 1)) };
  });
  const left = { x: 8, width: 258, height: high };
  return {
    width: 380,
    height: end + 112,
    boxes: {
      tokens: { x: 8, y: 6, width: 364, height: 90 },
      compressed: { ...left, y: start },
      ngrams: { ...left, y: start + step },
      numbers: { ...left, y: start + 2 * step },
      rows: { ...left, y: start + 3 * step },
      stream: { x: 292, y: start - 12, width: 86, height: end - start + 6 },
      counts: { ...left, y: countsAt },
      next: { x: 8, y: end + 10, width: 364, height: 94 },
    },
    stream: { from: { x: streamX, y: 98 }, to: { x: streamX, y: end + 4 } },
    layers,
    layerSize: {
      width: 56,
      height: 28,
    },
    gate: { x: 230, y: gateY },
    arrows: [
      ...(hasRows
        ? [
            `M137 98 V${start - 6}`,
            ...[1, 2, 3].map((i) => `M137 ${start + i * step - 14} V${start + i * step - 6}`),
            `M137 ${start + 3 * step + high + 2} V${gateY} H200`,
            `M258 ${gateY} H322`,
          ]
        : []),
      ...(hasCounts ? [`M137 ${countsAt + high + 2} V${end + 4}`] : []),
    ],
  };
}
