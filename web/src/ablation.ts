/** Parts of the memory that are taken away, as the address spells them: "l1 o2 h0 r1:4021 n4 c7-12". */
import type { Ablation as Parts } from "../../src/memory/parts.ts";

/** As requests have it: every list is there. */
export type Ablation = Required<Parts>;

export const noAblation: Ablation = {
  layers: [],
  orders: [],
  heads: [],
  rows: [],
  counts: [],
  contexts: [],
};

export function isEmptyAblation(ablation: Ablation): boolean {
  return Object.values(ablation).every((list: readonly unknown[]) => list.length === 0);
}

/** Lists of numbers by the letter that an address has for them. */
const letters = { l: "layers", o: "orders", h: "heads", n: "counts" } as const;

/** Parts that make no sense are left out: an address may come from anywhere. */
export function parseAblation(text: string): Ablation {
  const lists = { layers: [], orders: [], heads: [], counts: [] } as Record<
    (typeof letters)[keyof typeof letters],
    number[]
  >;
  const rows: { layer: number; row: number }[] = [];
  const contexts: number[][] = [];
  const part = /r(\d{1,9}):(\d{1,10})|c(\d{1,9}(?:-\d{1,9})*)|([lohn])(\d{1,9})/g;
  for (const [, layer, row, context, letter, value] of text.matchAll(part))
    if (layer !== undefined) rows.push({ layer: Number(layer), row: Number(row) });
    else if (context !== undefined) contexts.push(context.split("-").map(Number));
    else lists[letters[letter as keyof typeof letters]].push(Number(value));
  return { ...lists, rows, contexts };
}

export function formatAblation(ablation: Ablation): string {
  return [
    ...Object.entries(letters).flatMap(([letter, list]) =>
      ablation[list].map((value) => `${letter}${value}`),
    ),
    ...ablation.rows.map(({ layer, row }) => `r${layer}:${row}`),
    ...ablation.contexts.map((ids) => `c${ids.join("-")}`),
  ].join(" ");
}

export function hasRow(
  { rows }: Ablation,
  { layer, row }: { layer: number; row: number },
): boolean {
  return rows.some((each) => each.layer === layer && each.row === row);
}

export function hasContext({ contexts }: Ablation, ids: readonly number[]): boolean {
  return contexts.some((each) => each.join() === ids.join());
}

/** What was read at one place: rows, and contexts behind which was counted. */
export type PartsRead = Pick<Ablation, "rows" | "contexts">;

/** Whether all that was read there, and anything, is taken away. */
export function isWithout(ablate: Ablation, { rows, contexts }: PartsRead): boolean {
  return (
    rows.length + contexts.length > 0 &&
    rows.every((row) => hasRow(ablate, row)) &&
    contexts.every((ids) => hasContext(ablate, ids))
  );
}

/** Without all that was read there; if it is without that already, with all of it again. */
export function toggleRead(
  ablate: Ablation,
  { rows = [], contexts = [] }: Partial<PartsRead>,
): Ablation {
  const read = { ...noAblation, rows, contexts };
  const left = {
    ...ablate,
    rows: ablate.rows.filter((row) => !hasRow(read, row)),
    contexts: ablate.contexts.filter((ids) => !hasContext(read, ids)),
  };
  if (isWithout(ablate, read)) return left;
  return { ...left, rows: [...left.rows, ...rows], contexts: [...left.contexts, ...contexts] };
}
