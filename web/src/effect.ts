/** Where a text's memory did most, and to which token. Reads reports; asks nobody. */
import type { InspectReport } from "../../src/inspect/report.ts";

/** A token's chance at its place, without the memory and with it as asked for: shares of 1. */
export interface Effect {
  readonly off: number;
  readonly on: number;
}

/** Undefined for a token that nothing predicts. */
export function effectAt({ log_probs }: InspectReport, index: number): Effect | undefined {
  const [on, off] = [log_probs.on[index], log_probs.off[index]];
  return on === null || on === undefined || off === null || off === undefined
    ? undefined
    : { on: Math.exp(on), off: Math.exp(off) };
}

/** The token of the text whose chance the memory raised most; undefined where it raised none. */
export function mostRaised(report: InspectReport): number | undefined {
  let best: number | undefined;
  let most = 0;
  for (let t = report.num_hidden; t < report.tokens.length; t++) {
    const effect = effectAt(report, t);
    if (effect === undefined || effect.on - effect.off <= most) continue;
    most = effect.on - effect.off;
    best = t;
  }
  return best;
}
