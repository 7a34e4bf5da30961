/** A token strip as a picture: the same colours, with the legend and the model's name, to be sent on. */
import type { Scale } from "../colour.ts";
import type { StripToken } from "../strip.ts";
import { visibleText } from "../token-text.ts";
import { drawHeading, type Heading, paper, type Paper } from "./paper.ts";

export interface StripPicture {
  readonly heading: Heading;
  readonly tokens: readonly StripToken[];
  readonly scale: Scale;
  readonly legend: string;
  readonly format: (value: number) => string;
}

interface Place {
  readonly x: number;
  readonly line: number;
  readonly width: number;
}

const width = 960;
const margin = 32;
const lineHeight = 34;
const padding = 3;

export function drawStrip(picture: StripPicture): HTMLCanvasElement {
  const { tokens, scale } = picture;
  const places = layOut(tokens);
  const lines = 1 + Math.max(0, ...places.map(({ line }) => line));
  const sheet = paper({ width, height: 2 * margin + 60 + lines * lineHeight + 40 });
  const { context, colour, font } = sheet;
  const top = drawHeading(sheet, picture.heading, { left: margin, top: margin });
  for (const [i, { text, value, kind }] of tokens.entries()) {
    const { x, line, width: wide } = places[i]!;
    const y = top + line * lineHeight;
    if (value === undefined) {
      context.strokeStyle = colour("line-strong");
      context.strokeRect(x + 0.5, y + 0.5, wide - 1, 27);
    } else {
      context.fillStyle = scale.colour(value);
      context.fillRect(x, y, wide, 28);
    }
    if (kind === "written") {
      context.fillStyle = colour("accent");
      context.fillRect(x, y + 28, wide, 3);
    }
    context.font = font(15, "mono");
    context.fillStyle = value === undefined ? colour("ink-soft") : scale.ink(value);
    context.fillText(visibleText(text), x + padding, y + 15);
  }
  drawLegend(sheet, picture, top + lines * lineHeight + 20);
  return sheet.canvas;
}

/** Tokens in lines, as text flows; line ends in the text end a line. */
function layOut(tokens: readonly StripToken[]): Place[] {
  const { context, font } = paper({ width: 1, height: 1 });
  context.font = font(15, "mono");
  const places: Place[] = [];
  let x = margin;
  let line = 0;
  for (const { text } of tokens) {
    const wide = context.measureText(visibleText(text)).width + 2 * padding;
    if (x + wide > width - margin && x > margin) [x, line] = [margin, line + 1];
    places.push({ x, line, width: wide });
    x += wide + 2;
    if (text.includes("\n")) [x, line] = [margin, line + 1];
  }
  return places;
}

function drawLegend(
  { context, colour, font }: Paper,
  { scale, legend, format }: StripPicture,
  y: number,
): void {
  context.font = font(13);
  context.fillStyle = colour("ink-soft");
  const put = (text: string, x: number): number => {
    context.fillText(text, x, y);
    return x + context.measureText(text).width + 10;
  };
  let x = put(legend, margin);
  x = put(format(scale.low), x + 6);
  for (let i = 0; i < 140; i++) {
    context.fillStyle = scale.colour(scale.low + ((scale.high - scale.low) * i) / 139);
    context.fillRect(x + i, y - 6, 1.5, 12);
  }
  context.fillStyle = colour("ink-soft");
  put(format(scale.high), x + 150);
}
