/**
 * A table in the layout of DeepSeek-V4.1-Flash: the E4M3 codes of all rows in one tensor, their E8M0 scales in
 * another, so a row is two short reads. Together they are rows of format fp8: codes, then scales. Reads byte
 * ranges of named tensors through whoever has them (`ModelDirectory`, `SafetensorsFile`), and nothing besides
 * the rows asked for. Knows no files and no configuration.
 *
 *     layers.{L}.engram.embed.weight   F8_E4M3  [rows, d]
 *     layers.{L}.engram.embed.scale    F8_E8M0  [rows, ceil(d / 32)]
 */
import { FormatError, StoreError } from "../../errors.ts";
import { rowFormat } from "../row-format.ts";
import { checkTableSize, type RowStore } from "../store.ts";
import { type ByteRanges, rowsInRanges } from "./byte-ranges.ts";
import { SideBySideStore } from "./side-by-side.ts";

/** A file or directory of tensors. `readRange` is never short. */
export interface TensorRanges {
  readonly path: string;
  readRange(
    name: string,
    range: { readonly begin: number; readonly end: number; readonly into: Uint8Array },
  ): Promise<void>;
}

/** Name, element type and shape of a tensor at rest. */
export interface TableTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

export interface ReleasedStoreOptions {
  readonly numRows: number;
  readonly headDim: number;
  readonly codes: TableTensor;
  readonly scales: TableTensor;
  readonly maxInFlight?: number;
}

/** Names of a layer's two tensors in the released checkpoint; no `model.` in front. */
export function releasedTensorNames(layerId: number): { codes: string; scales: string } {
  const embed = `layers.${layerId}.engram.embed`;
  return { codes: `${embed}.weight`, scales: `${embed}.scale` };
}

/** Throws `FormatError` for tensors of other types or shapes. Owns nothing: `ranges` is closed by its owner. */
export function openReleasedStore(ranges: TensorRanges, options: ReleasedStoreOptions): RowStore {
  const { numRows, headDim, codes, scales } = options;
  const { rowBytes } = rowFormat("fp8", headDim);
  checkTableSize({ numRows, rowBytes });
  checkTensor(ranges.path, codes, { dtype: "F8_E4M3", shape: [numRows, headDim] });
  checkTensor(ranges.path, scales, { dtype: "F8_E8M0", shape: [numRows, rowBytes - headDim] });
  return openSplitStore(ranges, {
    ...options,
    rowBytes,
    parts: [
      { name: codes.name, from: 0, to: headDim },
      { name: scales.name, from: headDim, to: rowBytes },
    ],
  });
}

/** A tensor's share of each row: bytes `from` inclusive to `to` exclusive. */
export interface RowPart {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export interface SplitStoreOptions {
  readonly numRows: number;
  readonly rowBytes: number;
  /** Together they make up a row. */
  readonly parts: readonly RowPart[];
  readonly maxInFlight?: number;
}

/** Rows of any format whose bytes lie in several tensors. Their types and shapes must have been checked. */
export function openSplitStore(ranges: TensorRanges, options: SplitStoreOptions): RowStore {
  const { numRows, maxInFlight = 16 } = options;
  checkTableSize(options);
  const parts = options.parts.map(({ name, from, to }) => {
    const rowBytes = to - from;
    let isClosed = false;
    const bytes: ByteRanges = {
      name: `${name} in ${ranges.path}`,
      size: numRows * rowBytes,
      // A page comes from the disk in any case.
      maxGapBytes: 4096,
      maxCallBytes: 256 * 1024,
      maxInFlight,
      async read(begin, into): Promise<void> {
        if (isClosed) throw new StoreError(`the store of ${name} was closed; open it again`);
        await ranges.readRange(name, { begin, end: begin + into.length, into });
      },
      async close(): Promise<void> {
        isClosed = true;
      },
    };
    return rowsInRanges(bytes, { numRows, rowBytes, offset: 0 });
  });
  return new SideBySideStore(parts);
}

function checkTensor(
  path: string,
  { name, dtype, shape }: TableTensor,
  expected: { readonly dtype: string; readonly shape: readonly number[] },
): void {
  if (dtype !== expected.dtype || JSON.stringify(shape) !== JSON.stringify(expected.shape))
    throw new FormatError(
      `${path}: tensor "${name}" should be ${expected.dtype} [${expected.shape.join(", ")}] by the ` +
        `configuration, it is ${dtype} [${shape.join(", ")}]`,
    );
}
