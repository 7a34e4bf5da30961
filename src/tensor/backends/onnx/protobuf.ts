/**
 * Writes ONNX models: the subset of onnx.proto3 that the lowering needs (a flat graph of nodes with
 * static tensor types and raw initializers). It knows field numbers and nothing of our ops, and it
 * cannot read. Field numbers are those of the public onnx.proto3 schema, IR version 10.
 */

/** Element types of onnx.proto3 `TensorProto.DataType`. */
export const onnxType = { f32: 1, i32: 6, bool: 9, i64: 7, u8: 2 } as const;

export type Attribute = number | bigint | string | readonly bigint[];

export interface OnnxNode {
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** number -> FLOAT, bigint -> INT, string -> STRING, bigint[] -> INTS */
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface OnnxTensor {
  readonly name: string;
  readonly type: number;
  /** A string is a symbolic dimension. */
  readonly dims: readonly (number | string)[];
}

export interface OnnxInitializer {
  readonly name: string;
  readonly type: number;
  readonly dims: readonly number[];
  /** Little-endian element bytes. */
  readonly raw: Uint8Array;
  /** If true, the model only declares the constant, and its bytes are passed when the model is loaded. */
  readonly isExternal?: boolean;
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxTensor[];
  readonly outputs: readonly OnnxTensor[];
  readonly initializers: readonly OnnxInitializer[];
}

/** Writes the fields of messages one after the other. Grows as needed. */
class Writer {
  #bytes = new Uint8Array(1 << 12);
  #length = 0;

  /** A copy of what was written, after which the writer is empty. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#byte((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.#byte(rest);
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  int(field: number, value: number | bigint): void {
    this.#varint(field * 8);
    const number = Number(value);
    if (number >= 0 && Number.isSafeInteger(number)) return this.#varint(number);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) this.#byte(Number(rest & 0x7fn) | 128);
    this.#byte(Number(rest));
  }

  float(field: number, value: number): void {
    this.#varint(field * 8 + 5);
    this.#reserve(4);
    new DataView(this.#bytes.buffer).setFloat32(this.#length, value, true);
    this.#length += 4;
  }

  text(field: number, value: string): void {
    this.nested(field, () => {
      // UTF-8 takes at most three bytes for a UTF-16 unit.
      this.#reserve(3 * value.length);
      this.#length += utf8.encodeInto(value, this.#bytes.subarray(this.#length)).written;
    });
  }

  /** A message of its own, whose length is not known before it was written. */
  nested(field: number, write: () => void): void {
    this.head(field, 0);
    const start = this.#length;
    write();
    const length = this.#length - start;
    let more = 0;
    for (let rest = length; rest > 127; rest = Math.floor(rest / 128)) more++;
    this.#reserve(more);
    this.#bytes.copyWithin(start + more, start, start + length);
    this.#length = start - 1;
    this.#varint(length);
    this.#length += length;
  }

  /** What stands before the `length` bytes of a message that is not written here. */
  head(field: number, length: number): void {
    this.#varint(field * 8 + 2);
    this.#varint(length);
  }
}

const utf8 = new TextEncoder();

function writeAttribute(w: Writer, name: string, value: Attribute): void {
  w.text(1, name);
  if (typeof value === "number") {
    w.float(2, value);
    w.int(20, 1);
  } else if (typeof value === "bigint") {
    w.int(3, value);
    w.int(20, 2);
  } else if (typeof value === "string") {
    w.text(4, value);
    w.int(20, 3);
  } else {
    for (const one of value) w.int(8, one);
    w.int(20, 7);
  }
}

function writeNode(w: Writer, n: OnnxNode): void {
  for (const name of n.inputs) w.text(1, name);
  for (const name of n.outputs) w.text(2, name);
  w.text(4, n.opType);
  for (const [name, value] of Object.entries(n.attributes))
    w.nested(5, () => writeAttribute(w, name, value));
  w.text(7, n.domain);
}

function writeTensorType(w: Writer, t: OnnxTensor): void {
  w.text(1, t.name);
  const dim = (d: number | string): void => (typeof d === "number" ? w.int(1, d) : w.text(2, d));
  const shape = (): void => {
    for (const d of t.dims) w.nested(1, () => dim(d));
  };
  w.nested(2, () =>
    w.nested(1, () => {
      w.int(1, t.type);
      w.nested(2, shape);
    }),
  );
}

/** An initializer but for its bytes, which are not copied here. Returns these. */
function writeInitializer(w: Writer, t: OnnxInitializer): Uint8Array | undefined {
  for (const d of t.dims) w.int(1, d);
  w.int(2, t.type);
  w.text(8, t.name);
  if (t.isExternal !== true) {
    w.head(9, t.raw.length);
    return t.raw;
  }
  // The location of external data. ONNX Runtime never reads it, because the bytes are passed directly, but the path
  // must exist. A directory is enough.
  w.nested(13, () => {
    w.text(1, "location");
    w.text(2, ".");
  });
  w.int(14, 1);
  return undefined;
}

/** A serialized ModelProto importing the given operator sets (domain -> version). */
export function encodeModel(
  graph: OnnxGraph,
  opsets: Readonly<Record<string, number>>,
): Uint8Array<ArrayBuffer> {
  const w = new Writer();
  const body: Uint8Array[] = [];
  for (const n of graph.nodes) w.nested(1, () => writeNode(w, n));
  w.text(2, "graph");
  for (const t of graph.initializers) {
    const before = w.take();
    const raw = writeInitializer(w, t);
    const own = w.take();
    w.head(5, own.length + (raw?.length ?? 0));
    body.push(before, w.take(), own, ...(raw === undefined ? [] : [raw]));
  }
  for (const t of graph.inputs) w.nested(11, () => writeTensorType(w, t));
  for (const t of graph.outputs) w.nested(12, () => writeTensorType(w, t));
  body.push(w.take());
  w.int(1, 10);
  w.head(7, lengthOf(body));
  const head = w.take();
  for (const [domain, version] of Object.entries(opsets))
    w.nested(8, () => {
      w.text(1, domain);
      w.int(2, version);
    });
  const parts = [head, ...body, w.take()];
  const out = new Uint8Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}
