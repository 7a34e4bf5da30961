/** Parts of the memory that are taken away, in words and in lists to choose from. */
import type { Ablation } from "./ablation.ts";

/** The list without the number, or with it. */
export function toggled(list: readonly number[], number: number): number[] {
  return list.includes(number)
    ? list.filter((each) => each !== number)
    : [...list, number].toSorted((a, b) => a - b);
}

/** In words: "heads 0, 2; 2 rows". */
export function describeAblation({
  layers,
  orders,
  heads,
  rows,
  counts,
  contexts,
}: Ablation): string {
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
    ...(counts.length > 0 ? [`counted ${counts.map((n) => `${n}-grams`).join(", ")}`] : []),
    ...(contexts.length > 0
      ? [`the counts behind ${contexts.length} ${contexts.length === 1 ? "context" : "contexts"}`]
      : []),
  ].join("; ");
}
