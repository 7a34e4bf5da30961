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

/** The token whose chance at `index` the memory raises most; undefined where it raises none by a percent. */
export function saidAt(report: InspectReport, index: number): Chance | undefined {
  const gain = ({ on, off }: Chance): number => on - off;
  const best = allChancesAt(report, index).toSorted((a, b) => gain(b) - gain(a))[0];
  return best !== undefined && gain(best) >= 0.01 ? best : undefined;
}

/** What may stand at `index`; at the number of tokens, what may follow the text. */
export function chancesAt(report: InspectReport, index: number): Chance[] {
  const all = allChancesAt(report, index);
  const chances = all.slice(0, mostShown);
  const actual = report.tokens[index];
  if (all.length > 0 && actual !== undefined && !chances.some(({ isActual }) => isActual))
    chances.push({
      id: actual.id,
      text: actual.text,
      on: Math.exp(report.log_probs.on[index]!),
      off: Math.exp(report.log_probs.off[index]!),
      isActual: true,
    });
  return chances;
}

function allChancesAt(report: InspectReport, index: number): Chance[] {
  const actual = report.tokens[index];
  return (report.next[index - 1] ?? []).map(({ id, text, on, off }) => ({
    id,
    text,
    on: Math.exp(on),
    off: Math.exp(off),
    isActual: id === actual?.id,
  }));
}
