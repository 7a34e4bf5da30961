/** Maps as a picture to keep: each with its title, and what the colours mean. */
import type { Scale } from "../../colour.ts";
import { drawHeading, type Heading, paper } from "../../pictures/paper.ts";

export interface PictureMap {
  readonly title: string;
  readonly columns: number;
  readonly values: readonly (number | undefined)[];
}

interface MapPicture {
  readonly heading: Heading;
  readonly maps: readonly PictureMap[];
  readonly scale: Scale;
  readonly legend: string;
  readonly format: (value: number) => string;
}

export function drawMaps({ heading, maps, scale, legend, format }: MapPicture): HTMLCanvasElement {
  const margin = 28;
  const size = maps.length === 1 ? 560 : 220;
  const across = maps.length === 1 ? 1 : 4;
  const lines = Math.ceil(maps.length / across);
  const step = size + 44;
  const sheet = paper({
    width: 2 * margin + Math.max(1, across) * step - 44,
    height: 2 * margin + 60 + lines * step + 40,
  });
  const { context, colour, font, canvas } = sheet;
  const top = drawHeading(sheet, heading, { left: margin, top: margin });
  for (const [i, map] of maps.entries()) {
    const left = margin + (i % across) * step;
    const y = top + Math.floor(i / across) * step;
    context.fillStyle = colour("ink-soft");
    context.font = font(13);
    context.fillText(map.title, left, y + 8);
    const cell = size / map.columns;
    for (const [bin, value] of map.values.entries()) {
      if (value === undefined) continue;
      context.fillStyle = scale.colour(value);
      const x = left + (bin % map.columns) * cell;
      // A little over the edge, or seams show.
      context.fillRect(x, y + 22 + Math.floor(bin / map.columns) * cell, cell + 0.3, cell + 0.3);
    }
  }
  const y = top + lines * step + 10;
  const bar = 160;
  for (let i = 0; i < bar; i++) {
    context.fillStyle = scale.colour(scale.low + ((scale.high - scale.low) * i) / bar);
    context.fillRect(margin + i, y, 1.5, 12);
  }
  context.fillStyle = colour("ink-soft");
  context.font = font(13);
  context.fillText(
    `${format(scale.low)} to ${format(scale.high)}  ${legend}`,
    margin + bar + 12,
    y + 7,
  );
  return canvas;
}
