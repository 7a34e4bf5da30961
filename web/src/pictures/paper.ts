/** A sheet to draw on: a canvas in the page's colours and type, sharp enough to be sent around. */

export interface Paper {
  readonly canvas: HTMLCanvasElement;
  readonly context: CanvasRenderingContext2D;
  /** A colour of the theme by its property: "ink", "accent". */
  colour(name: string): string;
  font(size: number, kind?: "sans" | "mono" | "serif", weight?: number): string;
}

/** Pixels of the picture for one of the page. */
const sharpness = 2;

/** Sizes are those of the page, before sharpening. */
export function paper({ width, height }: { width: number; height: number }): Paper {
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(width * sharpness);
  canvas.height = Math.ceil(height * sharpness);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("this browser draws no pictures");
  context.scale(sharpness, sharpness);
  const style = getComputedStyle(document.documentElement);
  const property = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  context.fillStyle = property("ground");
  context.fillRect(0, 0, width, height);
  context.textBaseline = "middle";
  return {
    canvas,
    context,
    colour: property,
    font: (size, kind = "sans", weight = 400) => `${weight} ${size}px ${property(kind)}`,
  };
}

export interface Heading {
  readonly title: string;
  readonly note: string;
}

/** The head of a picture; returns where it ends. */
export function drawHeading(
  { context, colour, font }: Paper,
  { title, note }: Heading,
  { left, top }: { left: number; top: number },
): number {
  context.fillStyle = colour("ink");
  context.font = font(20, "serif", 600);
  context.fillText(title, left, top + 12);
  context.fillStyle = colour("ink-soft");
  context.font = font(13);
  context.fillText(note, left, top + 38);
  return top + 60;
}
