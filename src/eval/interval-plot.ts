/**
 * A plot of figures with their intervals: one line for each figure, in sections, around zero. Plain SVG without
 * scripts, fonts or links. Knows marks and labels; not what was measured.
 */
const LABEL = 300;
const PLOT = 460;
const FIGURE = 190;
const MARGIN = 16;
const LINE = 20;
const WIDTH = MARGIN + LABEL + PLOT + FIGURE + MARGIN;

/** One line of a plot. */
export interface Mark {
  readonly label: string;
  readonly value: number;
  readonly plusMinus: number | null;
  readonly figure: string;
}

export interface IntervalPlot {
  readonly title: string;
  readonly unit: string;
  readonly sections: readonly { readonly name: string; readonly marks: readonly Mark[] }[];
}

/** Draws the plots below each other under `head`. Its first line is the title. Plots without marks are left out. */
export function intervalPlots(
  plots: readonly IntervalPlot[],
  [title, ...notes]: readonly [string, ...string[]],
): string {
  let y = MARGIN + LINE;
  const parts: string[] = [];
  for (const [i, words] of [title, ...notes].entries()) {
    parts.push(text(words, { x: MARGIN, y, ...(i === 0 && { kind: "title" }) }));
    y += LINE;
  }
  for (const plot of plots) {
    if (plot.sections.every(({ marks }) => marks.length === 0)) continue;
    y += LINE;
    const drawn = draw(plot, y);
    parts.push(drawn.svg);
    y = drawn.bottom;
  }
  const height = y + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    "<style>text{font:13px sans-serif;fill:#222}.title{font-weight:bold}.dim{fill:#666}.end{text-anchor:end}.mid{text-anchor:middle}</style>",
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function draw(
  { title, unit, sections }: IntervalPlot,
  top: number,
): { svg: string; bottom: number } {
  const marks = sections.flatMap((section) => section.marks);
  const ends = marks.flatMap(({ value, plusMinus }) => [
    value - (plusMinus ?? 0),
    value + (plusMinus ?? 0),
  ]);
  const low = Math.min(0, ...ends);
  const high = Math.max(0, ...ends);
  const step = tickStep(high - low);
  const from = Math.floor(low / step) * step;
  const to = Math.max(from + step, Math.ceil(high / step) * step);
  const left = MARGIN + LABEL;
  const x = (value: number): number => left + ((value - from) / (to - from)) * PLOT;
  const parts = [text(title, { x: MARGIN, y: top, kind: "title" })];
  let y = top + LINE;
  const lines: string[] = [];
  const plotTop = y - LINE / 2;
  for (const { name, marks: ofSection } of sections) {
    if (ofSection.length === 0) continue;
    lines.push(text(name, { x: MARGIN, y, kind: "dim" }));
    y += LINE;
    for (const { label, value, plusMinus, figure } of ofSection) {
      const middle = y - 4;
      lines.push(text(label, { x: MARGIN + 12, y }));
      if (plusMinus !== null)
        lines.push(
          line(
            { x1: x(value - plusMinus), y1: middle, x2: x(value + plusMinus), y2: middle },
            "#36c",
          ),
        );
      lines.push(
        `<circle cx="${x(value).toFixed(1)}" cy="${middle}" r="4" fill="${value > 0 ? "#c50" : "#07a"}"><title>${escaped(
          `${label}: ${signed(value)}${plusMinus === null ? "" : ` ± ${plusMinus.toFixed(4)}`} ${unit}`,
        )}</title></circle>`,
        text(signed(value), { x: WIDTH - MARGIN - 100, y, kind: "end" }),
        text(figure, { x: WIDTH - MARGIN, y, kind: "end" }),
      );
      y += LINE;
    }
  }
  const bottom = y - LINE / 2;
  for (let i = 0; i <= Math.round((to - from) / step); i++) {
    const value = from + i * step;
    const isZero = Math.abs(value) < step / 2;
    parts.push(
      line({ x1: x(value), y1: plotTop, x2: x(value), y2: bottom }, isZero ? "#222" : "#ddd"),
      text(tickLabel(value, step), { x: x(value), y: bottom + 14, kind: "mid" }),
    );
  }
  return { svg: [...parts, ...lines].join("\n"), bottom: bottom + LINE + 8 };
}

/** 1, 2 or 5 times a power of ten, so that about six steps make up `span`. */
function tickStep(span: number): number {
  const rough = Math.max(span, 1e-6) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
}

function tickLabel(value: number, step: number): string {
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const label = value.toFixed(digits);
  return Number(label) === 0 ? "0" : label;
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
}

function line(
  { x1, y1, x2, y2 }: Record<"x1" | "y1" | "x2" | "y2", number>,
  colour: string,
): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1}" x2="${x2.toFixed(1)}" y2="${y2}" stroke="${colour}" stroke-width="${colour === "#36c" ? 2 : 1}"/>`;
}

function text(content: string, { x, y, kind }: { x: number; y: number; kind?: string }): string {
  const kindOf = kind === undefined ? "" : ` class="${kind}"`;
  return `<text x="${x.toFixed(1)}" y="${y}"${kindOf}>${escaped(content)}</text>`;
}

/** Names of files and models are untrusted. XML cannot represent most control characters. */
function escaped(content: string): string {
  return content
    .replaceAll(/[^\t\n\r\P{Cc}]|\p{Surrogate}|[\ufffe\uffff]/gu, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
