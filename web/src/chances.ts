/** Chances of the next token out of a report: the likeliest of both readings, and what the text has. */
import type { InspectReport } from "../../src/inspect/report.ts";

export interface Chance {
  readonly id: number;
  readonly text: string;
  /** Shares of 1. */
  readonly on: number;
  readonly off: number;
  /** The text goes on with it. */
  readonly isActual: boolean;
}

/** Both readings together tell of up to twice as many as were asked for. */
const mostShown = 10;

/** What may stand at `index`; at the number of tokens, what may follow the text. */
export function chancesAt(report: InspectReport, index: number): Chance[] {
  const next = report.next[index - 1]?.slice(0, mostShown);
  if (next === undefined) return [];
  const actual = report.tokens[index];
  const chances: Chance[] = next.map(({ id, text, on, off }) => ({
    id,
    text,
    on: Math.exp(on),
    off: Math.exp(off),
    isActual: id === actual?.id,
  }));
  if (actual !== undefined && !chances.some(({ isActual }) => isActual))
    chances.push({
      id: actual.id,
      text: actual.text,
      on: Math.exp(report.log_probs.on[index]!),
      off: Math.exp(report.log_probs.off[index]!),
      isActual: true,
    });
  return chances;
}
