/**
 * Random rows of a large table, copied by ONNX Runtime's Gather kernel: native code over any memory,
 * tables beyond 4 GiB included. A function a row store can be given; it knows bytes and row numbers,
 * not what a row means. Runs on the calling thread (and the pool, if the pool has more than one).
 */
import { BackendError } from "../../../../errors.ts";
import { encodeModel, onnxType } from "../protobuf.ts";
import { NativeSession, NativeTensor, openRuntime, PreparedRun } from "./ort-c-api.ts";

/**
 * Copies rows of `table` (a whole number of rows of `rowBytes`) to the start of `into`, in the order
 * of `rows`, repeats allowed. Synchronous; keeps `table` for the next call. `BackendError` if a row
 * lies outside the table or `into` is too short; `into` is then untouched.
 */
export type RowGather = (
  table: Uint8Array,
  rowBytes: number,
  rows: Uint32Array | Int32Array,
  into: Uint8Array,
) => void;

export interface RowGatherOptions {
  /** Threads of the process-wide pool; who asks first decides. Absent: any number will do. */
  readonly threads?: number | undefined;
}

/** ONNX Runtime counts rows in int32. */
const MAX_ROWS = 2 ** 31;

export function createRowGather({ threads }: RowGatherOptions = {}): RowGather {
  openRuntime({ threads });
  const gather = new TableGather();
  return (table, rowBytes, rows, into) => gather.run(table, { rowBytes, rows, into });
}

interface GatherCall {
  readonly rowBytes: number;
  readonly rows: Uint32Array | Int32Array;
  readonly into: Uint8Array;
}

class TableGather {
  readonly #session = new NativeSession(gatherModel());
  #prepared: PreparedRun | undefined;
  #table:
    | { readonly view: Uint8Array; readonly rowBytes: number; readonly tensor: NativeTensor }
    | undefined;

  run(table: Uint8Array, { rowBytes, rows, into }: GatherCall): void {
    const numRows = table.byteLength / rowBytes;
    if (!Number.isInteger(numRows) || numRows >= MAX_ROWS)
      throw new BackendError(
        `a table of ${table.byteLength} bytes cannot have rows of ${rowBytes} bytes (whole rows, fewer than 2^31)`,
      );
    const size = rows.length * rowBytes;
    if (into.byteLength < size)
      throw new BackendError(
        `${rows.length} rows of ${rowBytes} bytes need ${size}, got ${into.byteLength}`,
      );
    if (rows.length === 0) return;
    for (let i = 0; i < rows.length; i++)
      // The kernel counts negative rows from the end.
      if (rows[i]! >= numRows || rows[i]! < 0)
        throw new BackendError(`row ${rows[i]} is outside the table of ${numRows} rows`);
    const source = this.#tableTensor(table, rowBytes);
    const ids = new NativeTensor(rows, onnxType.i32, [rows.length]);
    const out = new NativeTensor(into.subarray(0, size), onnxType.u8, [rows.length, rowBytes]);
    try {
      this.#prepare({ source, ids, out }).runHere();
    } finally {
      ids.release();
      out.release();
    }
  }

  #tableTensor(view: Uint8Array, rowBytes: number): NativeTensor {
    const known = this.#table;
    if (known !== undefined) {
      if (known.view === view && known.rowBytes === rowBytes) return known.tensor;
      known.tensor.release();
    }
    const tensor = new NativeTensor(view, onnxType.u8, [view.byteLength / rowBytes, rowBytes]);
    this.#table = { view, rowBytes, tensor };
    return tensor;
  }

  #prepare(tensors: Readonly<Record<"source" | "ids" | "out", NativeTensor>>): PreparedRun {
    const { source, ids, out } = tensors;
    if (this.#prepared === undefined)
      this.#prepared = new PreparedRun(
        this.#session,
        [
          { name: "table", tensor: source },
          { name: "ids", tensor: ids },
        ],
        [{ name: "rows", tensor: out }],
      );
    this.#prepared.setInput(0, source);
    this.#prepared.setInput(1, ids);
    this.#prepared.setOutput(0, out);
    return this.#prepared;
  }
}

function gatherModel(): Uint8Array {
  return encodeModel(
    {
      nodes: [
        {
          opType: "Gather",
          domain: "",
          inputs: ["table", "ids"],
          outputs: ["rows"],
          attributes: { axis: 0n },
        },
      ],
      initializers: [],
      inputs: [
        { name: "table", type: onnxType.u8, dims: ["numRows", "rowBytes"] },
        { name: "ids", type: onnxType.i32, dims: ["n"] },
      ],
      outputs: [{ name: "rows", type: onnxType.u8, dims: ["n", "rowBytes"] }],
    },
    { "": 21 },
  );
}
