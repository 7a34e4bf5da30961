/** Whose a row is that was read: how much of it the n-gram at hand wrote, and who else did. Reads reports; asks nobody. */
import type { NgramReport, RowReport } from "../../src/inspect/report.ts";
import type { LayerView } from "./token-view.ts";

export interface Origin {
  readonly layer: number;
  readonly row: number;
  /** The n-gram that led to the row. */
  readonly texts: readonly string[];
  /** How often it occurs in the corpus, and what share that is of all that falls on the row. */
  readonly count: number;
  readonly share: number;
  /** The most frequent of the others on the row, and how many more there are beside it. */
  readonly other: NgramReport | undefined;
  readonly more: number;
}

/** By layer and row. */
export type Tenants = ReadonlyMap<string, RowReport>;

/** Of the rows of a reading, the one that its n-gram has most to itself; undefined where no corpus says. */
export function originOf(layers: readonly LayerView[], tenants: Tenants): Origin | undefined {
  let best: Origin | undefined;
  for (const { layer, orders } of layers)
    for (const { tokens, compressed, rows } of orders) {
      const texts = tokens.filter((text) => text !== undefined);
      // An n-gram that begins before the text stands in no corpus.
      if (texts.length < tokens.length) continue;
      const own = compressed.join(" ");
      for (const { row } of rows) {
        const found = tenants.get(`${layer}:${row}`)?.corpus;
        if (found === undefined) continue;
        const isOwn = (one: NgramReport): boolean => one.compressed.join(" ") === own;
        const count = found.ngrams.find(isOwn)?.count ?? 0;
        const share = found.count === 0 ? 0 : count / found.count;
        if (best !== undefined && (share - best.share || count - best.count) <= 0) continue;
        const isThere = count > 0 ? 1 : 0;
        best = {
          layer,
          row,
          texts,
          count,
          share,
          other: found.ngrams.find((one) => !isOwn(one)),
          more: Math.max(0, found.distinct - isThere - 1),
        };
      }
    }
  return best;
}
