/**
 * Symbolic tensors and the graph they form. Building a graph computes nothing and allocates only nodes. Types are
 * checked when each node is added, so an error points at the line that made it. Knows nothing of backends or of the
 * purpose of the graph.
 */
import { InvariantError, ShapeError } from "../errors.ts";
import {
  type DType,
  formatType,
  type OpAttrs,
  type OpName,
  type Packing,
  type Shape,
  sameShape,
  sizeOf,
  type TensorType,
} from "./ops.ts";
import { typeRules } from "./type-rules.ts";

/** One symbolic value, identified by the object itself. `id` is its number within its builder. */
export interface Tensor extends TensorType {
  readonly id: number;
}

export interface Node<K extends OpName = OpName> {
  readonly op: K;
  readonly attrs: OpAttrs[K];
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** A packed matrix inside a graph. */
export interface QuantizedTensor extends Packing {
  readonly codes: Tensor;
  readonly scales: Tensor;
  readonly offsets?: Tensor;
}

/** Data of a tensor in host memory: f32 -> Float32Array, i32 -> Int32Array, bool -> Uint8Array of 0 and 1,
 *  u8 -> Uint8Array. */
export type TensorData = Float32Array | Int32Array | Uint8Array;

/** A finished graph. `nodes` are in execution order, and only those that the outputs need. */
export interface Graph {
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly constants: ReadonlyMap<Tensor, TensorData>;
  readonly nodes: readonly Node[];
  readonly outputs: ReadonlyMap<string, Tensor>;
}

/** The element type that belongs to an array. For bytes it is bool. */
export function dtypeOf(data: TensorData): DType {
  if (data instanceof Float32Array) return "f32";
  return data instanceof Int32Array ? "i32" : "bool";
}

function operandsOf({ codes, scales, offsets }: QuantizedTensor): Tensor[] {
  return offsets === undefined ? [codes, scales] : [codes, scales, offsets];
}

export interface ConstantOptions {
  /** To declare bytes as u8. Default: by the kind of array. */
  readonly dtype?: DType;
}

export class GraphBuilder {
  #nextId = 0;
  readonly #inputs = new Map<string, Tensor>();
  readonly #constants = new Map<Tensor, TensorData>();
  readonly #scalars = new Map<number, Tensor>();
  readonly #nodes: Node[] = [];

  #tensor(type: TensorType): Tensor {
    return { id: this.#nextId++, dtype: type.dtype, shape: type.shape };
  }

  /** A value that is given at every run, named `name`. */
  input(name: string, dtype: DType, shape: Shape): Tensor {
    if (this.#inputs.has(name)) throw new InvariantError(`graph input "${name}" is declared twice`);
    const t = this.#tensor({ dtype, shape });
    this.#inputs.set(name, t);
    return t;
  }

  /** A value known when the graph is built. Backends may read `data` for as long as their compiled graph exists, so it must
   *  not change. */
  constant(
    data: TensorData,
    shape: Shape,
    { dtype = dtypeOf(data) }: ConstantOptions = {},
  ): Tensor {
    if (data.length !== sizeOf(shape))
      throw new ShapeError(`constant of ${data.length} elements cannot have shape [${shape}]`);
    if (dtypeOf(data) !== (dtype === "u8" ? "bool" : dtype))
      throw new ShapeError(`constant of ${dtypeOf(data)} data cannot be ${dtype}`);
    const t = this.#tensor({ dtype, shape });
    this.#constants.set(t, data);
    return t;
  }

  /** An f32 constant of shape []. Equal requests share one node. */
  scalar(value: number): Tensor {
    let t = this.#scalars.get(value);
    if (t === undefined || Object.is(value, -0)) {
      t = this.constant(Float32Array.of(value), []);
      if (!Object.is(value, -0)) this.#scalars.set(value, t);
    }
    return t;
  }

  /** Adds a node of any op. The methods below call this with the op's name. */
  op<K extends OpName>(op: K, inputs: readonly Tensor[], attrs: OpAttrs[K]): readonly Tensor[] {
    const outputs = typeRules[op](inputs, attrs).map((type) => this.#tensor(type));
    this.#nodes.push({ op, attrs, inputs, outputs } as Node);
    return outputs;
  }

  #one<K extends OpName>(op: K, inputs: readonly Tensor[], attrs: OpAttrs[K]): Tensor {
    return this.op(op, inputs, attrs)[0]!;
  }

  #operand(x: Tensor | number): Tensor {
    return typeof x === "number" ? this.scalar(x) : x;
  }

  add(a: Tensor, b: Tensor | number): Tensor {
    return this.#one("add", [a, this.#operand(b)], {});
  }
  sub(a: Tensor | number, b: Tensor | number): Tensor {
    return this.#one("sub", [this.#operand(a), this.#operand(b)], {});
  }
  mul(a: Tensor, b: Tensor | number): Tensor {
    return this.#one("mul", [a, this.#operand(b)], {});
  }
  div(a: Tensor | number, b: Tensor | number): Tensor {
    return this.#one("div", [this.#operand(a), this.#operand(b)], {});
  }
  maximum(a: Tensor, b: Tensor | number): Tensor {
    return this.#one("maximum", [a, this.#operand(b)], {});
  }
  neg(x: Tensor): Tensor {
    return this.#one("neg", [x], {});
  }
  abs(x: Tensor): Tensor {
    return this.#one("abs", [x], {});
  }
  exp(x: Tensor): Tensor {
    return this.#one("exp", [x], {});
  }
  log(x: Tensor): Tensor {
    return this.#one("log", [x], {});
  }
  sqrt(x: Tensor): Tensor {
    return this.#one("sqrt", [x], {});
  }
  reciprocal(x: Tensor): Tensor {
    return this.#one("reciprocal", [x], {});
  }
  sigmoid(x: Tensor): Tensor {
    return this.#one("sigmoid", [x], {});
  }
  silu(x: Tensor): Tensor {
    return this.#one("silu", [x], {});
  }
  erf(x: Tensor): Tensor {
    return this.#one("erf", [x], {});
  }
  gelu(x: Tensor, approximate: OpAttrs["gelu"]["approximate"]): Tensor {
    return this.#one("gelu", [x], { approximate });
  }
  signedSqrt(x: Tensor, least: number): Tensor {
    return this.#one("signedSqrt", [x], { least });
  }
  less(a: Tensor, b: Tensor | number): Tensor {
    return this.#one("less", [a, this.#operand(b)], {});
  }
  equal(a: Tensor, b: Tensor): Tensor {
    return this.#one("equal", [a, b], {});
  }
  and(a: Tensor, b: Tensor): Tensor {
    return this.#one("and", [a, b], {});
  }
  or(a: Tensor, b: Tensor): Tensor {
    return this.#one("or", [a, b], {});
  }
  where(condition: Tensor, a: Tensor | number, b: Tensor | number): Tensor {
    return this.#one("where", [condition, this.#operand(a), this.#operand(b)], {});
  }
  cast(x: Tensor, to: DType): Tensor {
    return x.dtype === to ? x : this.#one("cast", [x], { to });
  }
  reshape(x: Tensor, shape: Shape): Tensor {
    return this.#one("reshape", [x], { shape });
  }
  transpose(x: Tensor, perm: readonly number[]): Tensor {
    return this.#one("transpose", [x], { perm });
  }
  slice(x: Tensor, axis: number, start: number, end: number): Tensor {
    return this.#one("slice", [x], { axis, start, end });
  }
  pad(x: Tensor, axis: number, before: number, after: number): Tensor {
    return this.#one("pad", [x], { axis, before, after });
  }
  concat(parts: readonly Tensor[], axis: number): Tensor {
    return parts.length === 1 ? parts[0]! : this.#one("concat", parts, { axis });
  }
  split(x: Tensor, axis: number, parts: number): readonly Tensor[] {
    return parts === 1 ? [x] : this.op("split", [x], { axis, parts });
  }
  broadcastTo(x: Tensor, shape: Shape): Tensor {
    return sameShape(x.shape, shape) ? x : this.#one("broadcastTo", [x], { shape });
  }
  reduceSum(x: Tensor, axes: readonly number[]): Tensor {
    return this.#one("reduceSum", [x], { axes });
  }
  reduceMean(x: Tensor, axes: readonly number[]): Tensor {
    return this.#one("reduceMean", [x], { axes });
  }
  matmul(a: Tensor, b: Tensor, trans: { transA?: boolean; transB?: boolean } = {}): Tensor {
    const { transA = false, transB = false } = trans;
    return this.#one("matmul", [a, b], { transA, transB });
  }
  gatherRows(table: Tensor, ids: Tensor): Tensor {
    return this.#one("gatherRows", [table, ids], {});
  }
  scatterAddRows(ids: Tensor, rows: Tensor, numRows: number): Tensor {
    return this.#one("scatterAddRows", [ids, rows], { numRows });
  }
  matmulQuantized(x: Tensor, weight: QuantizedTensor): Tensor {
    return this.#one("matmulQuantized", [x, ...operandsOf(weight)], { bits: weight.bits });
  }
  gatherRowsQuantized(weight: QuantizedTensor, ids: Tensor): Tensor {
    return this.#one("gatherRowsQuantized", [ids, ...operandsOf(weight)], { bits: weight.bits });
  }
  crossEntropy(logits: Tensor, labels: Tensor): Tensor {
    return this.#one("crossEntropy", [logits, labels], {});
  }
  softmax(x: Tensor): Tensor {
    return this.#one("softmax", [x], {});
  }
  rmsNorm(x: Tensor, gain: Tensor, eps: number): Tensor {
    return this.#one("rmsNorm", [x, gain], { eps });
  }
  layerNorm(x: Tensor, gain: Tensor, bias: Tensor, eps: number): Tensor {
    return this.#one("layerNorm", [x, gain, bias], { eps });
  }
  rotary(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
    return this.#one("rotary", [x, cos, sin], {});
  }
  attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, scale: number): Tensor {
    return this.#one("attention", [q, k, v, bias], { scale });
  }
  linearCrossEntropy(hidden: Tensor, weight: Tensor, labels: Tensor): Tensor {
    return this.#one("linearCrossEntropy", [hidden, weight, labels], {});
  }
  subtractOneHot(probs: Tensor, labels: Tensor): Tensor {
    return this.#one("subtractOneHot", [probs, labels], {});
  }

  /** Nodes so far, oldest first (for `gradients`). */
  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  /**
   * Names the outputs and drops every node that none of them depends on. Either all inputs stay declared, or only those
   * that are needed.
   */
  build(
    outputs: Readonly<Record<string, Tensor>>,
    { inputs = "all" }: { inputs?: "all" | "needed" } = {},
  ): Graph {
    const needed = new Set<Tensor>(Object.values(outputs));
    const nodes: Node[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!node.outputs.some((t) => needed.has(t))) continue;
      nodes.push(node);
      for (const t of node.inputs) needed.add(t);
    }
    const known = new Set<Tensor>([...this.#inputs.values(), ...this.#constants.keys()]);
    for (const node of nodes) for (const t of node.outputs) known.add(t);
    for (const t of needed)
      if (!known.has(t))
        throw new InvariantError(`tensor ${t.id} ${formatType(t)} belongs to another builder`);
    return {
      inputs: new Map([...this.#inputs].filter(([, t]) => inputs === "all" || needed.has(t))),
      constants: new Map([...this.#constants].filter(([t]) => needed.has(t))),
      nodes: nodes.toReversed(),
      outputs: new Map(Object.entries(outputs)),
    };
  }
}
