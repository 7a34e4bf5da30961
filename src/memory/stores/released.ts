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
import { checkRead, checkTableSize, type RowStore } from "../store.ts";
import { dealOutRun, type RowRun, rowRuns, serveRuns } from "./row-runs.ts";

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

/** Rows whose gap is smaller share a read: a page comes from the disk in any case. */
const MAX_GAP_BYTES = 4096;
const MAX_CALL_BYTES = 256 * 1024;

/** Names of a layer's two tensors in the released checkpoint; no `model.` in front. */
export function releasedTensorNames(layerId: number): { codes: string; scales: string } {
  const embed = `layers.${layerId}.engram.embed`;
  return { codes: `${embed}.weight`, scales: `${embed}.scale` };
}

/** Throws `FormatError` for tensors of other types or shapes. Owns nothing: `ranges` is closed by its owner. */
export function openReleasedStore(
  ranges: TensorRanges,
  options: ReleasedStoreOptions,
): ReleasedStore {
  const { numRows, headDim, codes, scales } = options;
  const { rowBytes } = rowFormat("fp8", headDim);
  checkTableSize({ numRows, rowBytes });
  checkTensor(ranges.path, codes, { dtype: "F8_E4M3", shape: [numRows, headDim] });
  checkTensor(ranges.path, scales, { dtype: "F8_E8M0", shape: [numRows, rowBytes - headDim] });
  return new ReleasedStore(ranges, {
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
export function openSplitStore(ranges: TensorRanges, options: SplitStoreOptions): ReleasedStore {
  checkTableSize(options);
  return new ReleasedStore(ranges, options);
}

export class ReleasedStore implements RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly #ranges: TensorRanges;
  readonly #parts: readonly RowPart[];
  readonly #maxInFlight: number;
  #isClosed = false;

  /** Use `openReleasedStore` or `openSplitStore`. */
  constructor(ranges: TensorRanges, options: SplitStoreOptions) {
    const { numRows, rowBytes, parts, maxInFlight = 16 } = options;
    this.numRows = numRows;
    this.rowBytes = rowBytes;
    this.#ranges = ranges;
    this.#maxInFlight = maxInFlight;
    this.#parts = parts;
  }

  async read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    if (this.#isClosed)
      throw new StoreError(`the store of ${this.#ranges.path} was closed; open it again`);
    checkRead(this, rows, into);
    const asked = rows.slice();
    const answers = await Promise.allSettled(
      this.#parts.map((part) => this.#readPart(part, asked, into)),
    );
    for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #readPart(part: RowPart, rows: Uint32Array, into: Uint8Array): Promise<void> {
    const limits = {
      rowBytes: part.to - part.from,
      maxGapBytes: MAX_GAP_BYTES,
      maxCallBytes: MAX_CALL_BYTES,
    };
    return serveRuns(rowRuns(rows, limits), {
      maxInFlight: this.#maxInFlight,
      serve: (run) => this.#readRun(part, run, into),
    });
  }

  async #readRun({ name, from, to }: RowPart, run: RowRun, into: Uint8Array): Promise<void> {
    const width = to - from;
    const bytes = new Uint8Array((run.lastRow - run.firstRow + 1) * width);
    const begin = run.firstRow * width;
    await this.#ranges
      .readRange(name, { begin, end: begin + bytes.length, into: bytes })
      .catch((cause: unknown) => {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new StoreError(
          `${this.#ranges.path}: cannot read rows ${run.firstRow}..${run.lastRow} of ${name}: ${reason}`,
          { cause },
        );
      });
    dealOutRun(run, bytes, { into, rowBytes: width, stride: this.rowBytes, shift: from });
  }
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
