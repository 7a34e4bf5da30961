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

/** A list of byte arrays, not yet joined. So nesting a message copies nothing. */
interface Rope {
  readonly parts: readonly Uint8Array[];
  readonly length: number;
}

const utf8 = new TextEncoder();

function join(ropes: readonly Rope[]): Rope {
  let length = 0;
  for (const r of ropes) length += r.length;
  return { parts: ropes.flatMap((r) => r.parts), length };
}

function leaf(bytes: Uint8Array): Rope {
  return { parts: [bytes], length: bytes.length };
}

function varint(value: bigint): Rope {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return leaf(Uint8Array.from(bytes));
}

const tag = (field: number, wire: number): Rope => varint(BigInt(field * 8 + wire));
const int = (field: number, value: number | bigint): Rope =>
  join([tag(field, 0), varint(BigInt(value))]);
const nested = (field: number, body: Rope): Rope =>
  join([tag(field, 2), varint(BigInt(body.length)), body]);
const text = (field: number, value: string): Rope => nested(field, leaf(utf8.encode(value)));

function float(field: number, value: number): Rope {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return join([tag(field, 5), leaf(bytes)]);
}

function attribute(name: string, value: Attribute): Rope {
  const head = text(1, name);
  if (typeof value === "number") return join([head, float(2, value), int(20, 1)]);
  if (typeof value === "bigint") return join([head, int(3, value), int(20, 2)]);
  if (typeof value === "string") return join([head, text(4, value), int(20, 3)]);
  return join([head, ...value.map((v) => int(8, v)), int(20, 7)]);
}

function node(n: OnnxNode): Rope {
  return join([
    ...n.inputs.map((name) => text(1, name)),
    ...n.outputs.map((name) => text(2, name)),
    text(4, n.opType),
    ...Object.entries(n.attributes).map(([k, v]) => nested(5, attribute(k, v))),
    text(7, n.domain),
  ]);
}

function tensorType(t: OnnxTensor): Rope {
  const dims = t.dims.map((d) => nested(1, typeof d === "number" ? int(1, d) : text(2, d)));
  const shape = nested(2, join(dims));
  return join([text(1, t.name), nested(2, nested(1, join([int(1, t.type), shape])))]);
}

/**
 * The location of external data. ONNX Runtime never reads it, because the bytes are passed directly, but the path must
 * exist. A directory is enough.
 */
const external: readonly Rope[] = [
  nested(13, join([text(1, "location"), text(2, ".")])),
  int(14, 1),
];

function initializer(t: OnnxInitializer): Rope {
  return join([
    ...t.dims.map((d) => int(1, d)),
    int(2, t.type),
    text(8, t.name),
    ...(t.isExternal === true ? external : [nested(9, leaf(t.raw))]),
  ]);
}

/** A serialized ModelProto importing the given operator sets (domain -> version). */
export function encodeModel(
  graph: OnnxGraph,
  opsets: Readonly<Record<string, number>>,
): Uint8Array<ArrayBuffer> {
  const body = join([
    ...graph.nodes.map((n) => nested(1, node(n))),
    text(2, "graph"),
    ...graph.initializers.map((t) => nested(5, initializer(t))),
    ...graph.inputs.map((t) => nested(11, tensorType(t))),
    ...graph.outputs.map((t) => nested(12, tensorType(t))),
  ]);
  const model = join([
    int(1, 10),
    nested(7, body),
    ...Object.entries(opsets).map(([domain, version]) =>
      nested(8, join([text(1, domain), int(2, version)])),
    ),
  ]);
  const out = new Uint8Array(model.length);
  let at = 0;
  for (const part of model.parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
