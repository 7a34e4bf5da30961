/**
 * Rows of a search as arrays for its graphs: every text is shifted so that its vector stands in column P, the first of
 * the window. Knows ids and shapes; no vectors, engine or memory.
 */
import { convHistory, type ModelConfig } from "../model/index.ts";
import type { EditRow } from "./edit.ts";

/** P and W of `PastShape`. */
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
  /** [B,C]; zero where no text is. */
  readonly ids: Int32Array;
  readonly segments: Int32Array;
  /** [B], the column of a text's first id. */
  readonly starts: readonly number[];
}

export function placeRows(rows: readonly EditRow[], { past, window }: Columns): PlacedRows {
  const length = past + window;
  const ids = new Int32Array(rows.length * length);
  const segments = new Int32Array(rows.length * length);
  const starts = rows.map((row, r) => {
    const start = past - row.at[0]!;
    ids.set(row.ids, r * length + start);
    segments.fill(1, r * length + start, r * length + start + row.ids.length);
    return start;
  });
  return { past, window, ids, segments, starts };
}
