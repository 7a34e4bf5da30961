/**
 * Which places of a search's texts a step computes anew, as arrays for its graph: the whole window, or only where the
 * vector stands and where something is asked, which costs a part of it. Knows ids and shapes; no vectors, engine or memory.
 */
import { blockOf, type ModelConfig, rotaryInputsAt } from "../model/index.ts";
import type { Value } from "../tensor/index.ts";
import type { EditRow } from "./edit.ts";
import type { PlacedRows } from "./placed-rows.ts";

export type Which = "window" | "asked";

export interface Places {
  /** S */
  readonly count: number;
  /** [B*S], among the columns of the window; a row that has fewer repeats its last. */
  readonly inWindow: Int32Array;
  /** [B,1,S,C+S] */
  readonly bias: Float32Array;
  /** [B,S,1] */
  readonly mask: Float32Array;
  /** cos and sin of each place. */
  readonly rotation: Record<string, Value>;
  /** Among all places [B*S], where a position of a row's text is. */
  indexOf(row: number, position: number): number;
}

/** Of rows that have no more than the window. */
export function placesOf(
  config: ModelConfig,
  rows: readonly EditRow[],
  { past, window, starts }: Pick<PlacedRows, "past" | "window" | "starts">,
  which: Which,
): Places {
  const columns = past + window;
  const wanted = rows.map((row, r) => {
    if (which === "window") return Array.from({ length: window }, (_, w) => past + w);
    const positions = [...row.at, ...row.predicted.map(({ position }) => position)];
    if (row.predicted.length === 0) positions.push(row.ids.length - 1);
    return [...new Set(positions)].toSorted((a, b) => a - b).map((p) => starts[r]! + p);
  });
  const count = Math.max(2, ...wanted.map(({ length }) => length));
  const { slidingWindow = Infinity } = blockOf(config);
  const inWindow = new Int32Array(rows.length * count);
  const bias = new Float32Array(rows.length * count * (columns + count)).fill(-Infinity);
  const mask = new Float32Array(rows.length * count);
  for (const [r, own] of wanted.entries()) {
    const anew = new Set(own);
    const withVector = new Set(rows[r]!.at.map((at) => starts[r]! + at));
    for (let s = 0; s < count; s++) {
      const column = own[Math.min(s, own.length - 1)]!;
      const place = r * count + s;
      const of = bias.subarray(place * (columns + count), (place + 1) * (columns + count));
      inWindow[place] = column - past;
      // So that no row of the softmax is empty.
      of[columns + s] = 0;
      if (s >= own.length) continue;
      mask[place] = Number(withVector.has(column));
      const first = Math.max(starts[r]!, column - slidingWindow + 1);
      for (let c = first; c < column; c++) if (!anew.has(c)) of[c] = 0;
      for (let other = 0; other < s; other++) if (own[other]! >= first) of[columns + other] = 0;
    }
  }
  return {
    count,
    inWindow,
    bias,
    mask,
    rotation: rotaryInputsAt(
      config,
      inWindow.map((w) => past + w),
    ),
    indexOf: (row, position) => row * count + wanted[row]!.indexOf(starts[row]! + position),
  };
}

/** The rows [B*S,n] of what every column of the window has, [B*W,n]. */
export function atPlaces(
  { count, inWindow }: Places,
  { data, batch, window }: { data: Float32Array; batch: number; window: number },
): Float32Array {
  const width = data.length / (batch * window);
  const into = new Float32Array(batch * count * width);
  for (const [place, w] of inWindow.entries()) {
    const from = (Math.floor(place / count) * window + w) * width;
    into.set(data.subarray(from, from + width), place * width);
  }
  return into;
}
