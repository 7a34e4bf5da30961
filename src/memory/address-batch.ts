/**
 * Row ids of whole sequences and all layers at once. What a session reads, position by position, `retrieval.ts` addresses.
 *
 * Shapes: B batch, T positions, C = (N-1)*H columns. Rows of a layer are position-major [B*T, C].
 */
import { ShapeError } from "../errors.ts";
import type { Addressing } from "./addressing.ts";
import { checkCompressedIds, hashRange } from "./hash.ts";

export interface AddressBatchOptions {
  /** T: `compressed_BT` holds whole sequences of this length. */
  readonly sequenceLength: number;
  /** [B*T], non-zero where a document starts. Look-back stops there and at the start of the sequence. */
  readonly starts_BT?: Uint8Array;
  /** Receives the rows, one [B*T*C] for each layer. Default: new arrays. */
  readonly out?: readonly Uint32Array[];
}

/** Row ids of a batch of sequences, one [B*T, C] for each layer. */
export function addressBatch(
  addressing: Addressing,
  compressed_BT: Int32Array,
  options: AddressBatchOptions,
): Uint32Array[] {
  const { plans, pad, numColumns: C } = addressing;
  const { sequenceLength: T, starts_BT, out } = options;
  const positions = compressed_BT.length;
  if (!Number.isInteger(T) || T < 1 || positions % T !== 0)
    throw new ShapeError(`${positions} ids are not whole sequences of length ${T}`);
  if (starts_BT !== undefined && starts_BT.length !== positions)
    throw new ShapeError(`${positions} ids need as many start flags, got ${starts_BT.length}`);
  checkCompressedIds(compressed_BT, addressing.compressedVocabSize);
  return plans.map((plan, layer) => {
    const rows = rowsBuffer(out?.[layer], positions * C);
    for (let first = 0; first < positions; first += T)
      hashRange(plan, compressed_BT.subarray(first, first + T), {
        from: 0,
        to: T,
        pad,
        ...(starts_BT && { starts: starts_BT.subarray(first, first + T) }),
        out: rows,
        outOffset: first * C,
      });
    return rows;
  });
}

function rowsBuffer(given: Uint32Array | undefined, length: number): Uint32Array {
  if (given === undefined) return new Uint32Array(length);
  if (given.length < length)
    throw new ShapeError(`${length} row ids do not fit into an array of ${given.length}`);
  return given;
}
