/** A fact and the chances of its answer, untaught and now, as a picture to be sent on. */
import { drawHeading, paper } from "../../pictures/paper.ts";
import { chanceWords } from "./chance-words.ts";
import { joined } from "./teach-api.ts";
import type { Draft, Tried } from "./teaching.svelte.ts";

const width = 860;
const margin = 36;
const lineHeight = 68;
const figureWidth = 130;

export function drawFact({
  draft,
  tried,
  model,
}: {
  draft: Draft;
  tried: readonly Tried[];
  model: string;
}): HTMLCanvasElement {
  const answer = draft.completion.trim();
  const sheet = paper({ width, height: 2 * margin + 60 + tried.length * lineHeight + 20 });
  const { context, colour, font } = sheet;
  const heading = {
    title: joined(draft.prompt, answer),
    note: `Taught to ${model}. Chance of “${answer}” after each text: untaught, and now.`,
  };
  const top = drawHeading(sheet, heading, { left: margin, top: margin });
  const room = width - 2 * margin - figureWidth;
  for (const [i, { text, before, after }] of tried.entries()) {
    const y = top + i * lineHeight + 16;
    context.fillStyle = colour("ink");
    context.font = font(15, "serif", text === draft.prompt ? 600 : 400);
    context.fillText(text, margin, y, width - 2 * margin);
    for (const [{ chance = 0 }, offset, name] of [
      [before, 14, "ink-faint"],
      [after, 30, "accent"],
    ] as const) {
      context.fillStyle = colour("sunk");
      context.fillRect(margin, y + offset, room, 12);
      context.fillStyle = colour(name);
      context.fillRect(margin, y + offset, Math.max(2, chance * room), 12);
      context.font = font(13, "sans", name === "accent" ? 600 : 400);
      context.fillText(chanceWords(chance), margin + room + 12, y + offset + 7);
    }
  }
  return sheet.canvas;
}
