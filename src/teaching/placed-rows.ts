/**
 * Rows of a search as arrays for its graphs: every text is shifted so that its vector stands in column P, the first of
 * the window. Knows ids and shapes; no vectors, engine or memory.
 */
import { blockOf, convHistory, type ModelConfig } from "../model/index.ts";
import type { EditRow } from "./edit.ts";

/** P and W of `VectorShape`. */
export interface Columns {
  readonly past: number;
  readonly window: number;
}

/** Few different shapes, so that few graphs are compiled. */
const PAST_STEP = 8;
const WINDOW_STEP = 4;

export function columnsOf(config: ModelConfig, rows: readonly EditRow[]): Columns {
  const up = (x: number, step: number): number => Math.ceil(x / step) * step;
  const most = (of: (row: EditRow) => number): number => Math.max(1, ...rows.map(of));
  return {
    past: up(
      Math.max(
        convHistory(config),
        most(({ at }) => at[0]!),
      ),
      PAST_STEP,
    ),
    window: up(
      most(({ ids, at }) => ids.length - at[0]!),
      WINDOW_STEP,
    ),
  };
}

export interface PlacedRows extends Columns {
  /** [B,T]; zero where no text is. */
  readonly ids: Int32Array;
  readonly segments: Int32Array;
  /** [B,1,W,T] */
  readonly bias: Float32Array;
  /** [B,W,1] */
  readonly mask: Float32Array;
  /** [B], the column of a text's first id. */
  readonly starts: readonly number[];
}

export function placeRows(
  config: ModelConfig,
  rows: readonly EditRow[],
  { past, window }: Columns,
): PlacedRows {
  const length = past + window;
  const batch = rows.length;
  const ids = new Int32Array(batch * length);
  const segments = new Int32Array(batch * length);
  const bias = new Float32Array(batch * window * length).fill(-Infinity);
  const mask = new Float32Array(batch * window);
  const { slidingWindow = Infinity } = blockOf(config);
  const starts = rows.map((row, r) => {
    const start = past - row.at[0]!;
    ids.set(row.ids, r * length + start);
    segments.fill(1, r * length + start, r * length + start + row.ids.length);
    for (const at of row.at) mask[r * window + start + at - past] = 1;
    for (let w = 0; w < window; w++) {
      const query = past + w;
      // Columns behind the text see themselves, so that no row of the softmax is empty.
      const first = Math.max(start, query - slidingWindow + 1);
      const of = (r * window + w) * length;
      bias.fill(0, of + first, of + query + 1);
    }
    return start;
  });
  return { past, window, ids, segments, bias, mask, starts };
}
