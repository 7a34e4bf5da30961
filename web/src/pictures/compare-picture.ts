/** Chances of the next token, off and on, as a picture to be sent on. */
import type { Chance } from "../chances.ts";
import { percent } from "../format.ts";
import { visibleText } from "../token-text.ts";
import { drawHeading, type Heading, paper } from "./paper.ts";

const width = 760;
const margin = 32;
const lineHeight = 38;
const labelWidth = 130;
const figureWidth = 150;

export function drawChances(
  chances: readonly Chance[],
  { heading }: { heading: Heading },
): HTMLCanvasElement {
  const sheet = paper({ width, height: 2 * margin + 60 + chances.length * lineHeight + 10 });
  const { context, colour, font } = sheet;
  const top = drawHeading(sheet, heading, { left: margin, top: margin });
  const most = Math.max(...chances.map(({ on, off }) => Math.max(on, off)));
  const room = width - 2 * margin - labelWidth - figureWidth;
  for (const [i, { text, on, off, isActual }] of chances.entries()) {
    const y = top + i * lineHeight + 14;
    context.fillStyle = colour("ink");
    context.font = font(15, "mono", isActual ? 700 : 400);
    context.fillText(`${visibleText(text)}${isActual ? " *" : ""}`, margin, y);
    for (const [share, offset, name] of [
      [off, -9, "ink-faint"],
      [on, 2, "accent"],
    ] as const) {
      context.fillStyle = colour(name);
      context.fillRect(margin + labelWidth, y + offset, Math.max(1, (share / most) * room), 9);
    }
    context.fillStyle = colour("ink-soft");
    context.font = font(12);
    context.fillText(
      `${percent(off)} off, ${percent(on)} on`,
      width - margin - figureWidth + 12,
      y + 1,
    );
  }
  return sheet.canvas;
}
