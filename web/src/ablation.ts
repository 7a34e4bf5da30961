/** Parts of the memory that are taken away, as the address spells them: "l1 o2 h0 r1:4021". */

export interface Ablation {
  readonly layers: readonly number[];
  readonly orders: readonly number[];
  readonly heads: readonly number[];
  readonly rows: readonly { readonly layer: number; readonly row: number }[];
}

export const noAblation: Ablation = { layers: [], orders: [], heads: [], rows: [] };

export function isEmptyAblation({ layers, orders, heads, rows }: Ablation): boolean {
  return layers.length + orders.length + heads.length + rows.length === 0;
}

/** Parts that make no sense are left out: an address may come from anywhere. */
export function parseAblation(text: string): Ablation {
  const found = { layers: [], orders: [], heads: [], rows: [] } as {
    layers: number[];
    orders: number[];
    heads: number[];
    rows: { layer: number; row: number }[];
  };
  for (const [, kind, a, b] of text.matchAll(/([lohr])(\d{1,9})(?::(\d{1,10}))?/g))
    if (kind === "r") {
      if (b !== undefined) found.rows.push({ layer: Number(a), row: Number(b) });
    } else found[kind === "l" ? "layers" : kind === "o" ? "orders" : "heads"].push(Number(a));
  return found;
}

export function formatAblation({ layers, orders, heads, rows }: Ablation): string {
  return [
    ...layers.map((layer) => `l${layer}`),
    ...orders.map((order) => `o${order}`),
    ...heads.map((head) => `h${head}`),
    ...rows.map(({ layer, row }) => `r${layer}:${row}`),
  ].join(" ");
}

/** The list without the number, or with it. */
export function toggled(list: readonly number[], number: number): number[] {
  return list.includes(number)
    ? list.filter((each) => each !== number)
    : [...list, number].toSorted((a, b) => a - b);
}

export function hasRow(
  { rows }: Ablation,
  { layer, row }: { layer: number; row: number },
): boolean {
  return rows.some((each) => each.layer === layer && each.row === row);
}

/** Without all of the rows; if it is without them already, with all of them again. */
export function toggleRows(ablate: Ablation, which: Ablation["rows"]): Ablation {
  const missing = which.filter((each) => !hasRow(ablate, each));
  const rows =
    missing.length > 0
      ? [...ablate.rows, ...missing]
      : ablate.rows.filter((each) => !hasRow({ ...ablate, rows: which }, each));
  return { ...ablate, rows };
}

/** In words: "heads 0, 2; 2 rows". */
export function describeAblation({ layers, orders, heads, rows }: Ablation): string {
  const list = (one: string, values: readonly (number | string)[]): string[] =>
    values.length === 0 ? [] : [`${one}${values.length > 1 ? "s" : ""} ${values.join(", ")}`];
  return [
    ...list("layer", layers),
    ...(orders.length > 0 ? [`${orders.map((order) => `${order}-grams`).join(", ")}`] : []),
    ...list("head", heads),
    ...(rows.length > 3
      ? [`${rows.length} rows`]
      : list(
          "row",
          rows.map(({ row }) => row),
        )),
  ].join("; ");
}
