/** Checks that decoded rows are finite, and names the row and table of the first NaN or infinity. */
import { NonFiniteError } from "../errors.ts";
import { firstNonFinite } from "../numerics/index.ts";
import type { RowFormat } from "./row-format.ts";

/** Throws `NonFiniteError` unless all `values` [rows, d], decoded from `rows` of the table, are finite. */
export function checkRowValues(
  { layerId, format }: { readonly layerId: number; readonly format: RowFormat },
  rows: Uint32Array,
  values: Float32Array,
): void {
  const at = firstNonFinite(values);
  if (at === -1) return;
  const { headDim, name } = format;
  throw new NonFiniteError(
    `the table of layer ${layerId}: row ${rows[Math.floor(at / headDim)]} (${name}) holds ${values[at]} as value ` +
      `${at % headDim} of ${headDim}; the table is damaged, or was trained until its numbers overflowed`,
  );
}
