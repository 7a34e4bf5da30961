/**
 * The type rule of every op: from the types of its operands to the types of its results. What does not fit is refused
 * with the op's name and all operands. Knows no numbers.
 */
import { ShapeError } from "../errors.ts";
import { QUANTIZED_BLOCK } from "../numerics/index.ts";
import {
  broadcastShapes,
  type DType,
  formatType,
  type OpAttrs,
  type OpName,
  type Packing,
  sameShape,
  type Shape,
  sizeOf,
  type TensorType,
} from "./ops.ts";

type TypeRule<K extends OpName> = (
  inputs: readonly TensorType[],
  attrs: OpAttrs[K],
) => readonly TensorType[];

/** The rule of an op without attributes. */
type PlainRule = (inputs: readonly TensorType[]) => readonly TensorType[];

function need(ok: boolean, op: OpName, inputs: readonly TensorType[], why: string): void {
  if (!ok) throw new ShapeError(`${op}: ${why}; got (${inputs.map(formatType).join(", ")})`);
}

function take(op: OpName, inputs: readonly TensorType[], dtypes: readonly DType[]): TensorType[] {
  const want = dtypes.join(", ");
  need(inputs.length === dtypes.length, op, inputs, `expected ${dtypes.length} inputs (${want})`);
  need(
    inputs.every((t, i) => t.dtype === dtypes[i]),
    op,
    inputs,
    `expected (${want})`,
  );
  return inputs as TensorType[];
}

const f32 = (shape: Shape): TensorType => ({ dtype: "f32", shape });
const bool = (shape: Shape): TensorType => ({ dtype: "bool", shape });

function unary(op: OpName): PlainRule {
  return (inputs) => {
    const [x] = take(op, inputs, ["f32"]) as [TensorType];
    return [x];
  };
}

function binary(op: OpName): PlainRule {
  return (inputs) => {
    const [a, b] = take(op, inputs, ["f32", "f32"]) as [TensorType, TensorType];
    return [f32(broadcastShapes(a.shape, b.shape))];
  };
}

function compare(op: OpName): PlainRule {
  return (inputs) => {
    const [a, b] = inputs;
    need(
      inputs.length === 2 && a!.dtype === b!.dtype && a!.dtype !== "bool",
      op,
      inputs,
      "expected two f32 or two i32",
    );
    return [bool(broadcastShapes(a!.shape, b!.shape))];
  };
}

function logical(op: OpName): PlainRule {
  return (inputs) => {
    const [a, b] = take(op, inputs, ["bool", "bool"]) as [TensorType, TensorType];
    return [bool(broadcastShapes(a.shape, b.shape))];
  };
}

function reduce(
  op: "reduceSum" | "reduceMean",
): (inputs: readonly TensorType[], attrs: OpAttrs["reduceSum"]) => readonly TensorType[] {
  return (inputs, { axes }) => {
    const [x] = take(op, inputs, ["f32"]) as [TensorType];
    need(
      axes.length > 0 && axes.every((a) => a >= 0 && a < x.shape.length),
      op,
      inputs,
      `axes [${axes.join(",")}] must lie in 0..${x.shape.length - 1}`,
    );
    return [f32(x.shape.map((d, i) => (axes.includes(i) ? 1 : d)))];
  };
}

/** The operands of an op with a packed matrix, whose offsets may be absent. */
function takePacked(
  op: OpName,
  inputs: readonly TensorType[],
  first: DType,
): [first: TensorType, codes: TensorType, scales: TensorType, offsets?: TensorType] {
  const dtypes: DType[] = [first, "u8", "f32"];
  return take(op, inputs, inputs.length > 3 ? [...dtypes, "f32"] : dtypes) as [
    TensorType,
    TensorType,
    TensorType,
    TensorType?,
  ];
}

/** Rows and width of the matrix that `weight` represents. */
function packedShape(
  op: OpName,
  inputs: readonly TensorType[],
  {
    weight: [codes, scales, offsets = scales],
    bits,
  }: { weight: [codes: TensorType, scales: TensorType, offsets?: TensorType] } & Packing,
): readonly [rows: number, width: number] {
  const [rows, bytes] = codes.shape as [number, number];
  const width = (bytes * 8) / bits;
  need(
    codes.shape.length === 2 &&
      width % QUANTIZED_BLOCK === 0 &&
      sameShape(scales.shape, [rows, width / QUANTIZED_BLOCK]) &&
      sameShape(offsets.shape, scales.shape),
    op,
    inputs,
    `expected codes [M,K*${bits}/8], scales and offsets [M,K/${QUANTIZED_BLOCK}], K a multiple of ${QUANTIZED_BLOCK}`,
  );
  return [rows, width];
}

export const typeRules: { readonly [K in OpName]: TypeRule<K> } = {
  add: binary("add"),
  sub: binary("sub"),
  mul: binary("mul"),
  div: binary("div"),
  maximum: binary("maximum"),
  neg: unary("neg"),
  abs: unary("abs"),
  exp: unary("exp"),
  log: unary("log"),
  sqrt: unary("sqrt"),
  reciprocal: unary("reciprocal"),
  sigmoid: unary("sigmoid"),
  silu: unary("silu"),
  erf: unary("erf"),
  gelu: unary("gelu"),
  signedSqrt: (inputs, { least }) => {
    need(least > 0, "signedSqrt", inputs, `expected a least magnitude above 0, got ${least}`);
    return [f32(take("signedSqrt", inputs, ["f32"])[0]!.shape)];
  },
  less: compare("less"),
  equal: compare("equal"),
  and: logical("and"),
  or: logical("or"),
  where: (inputs) => {
    const [c, a, b] = take("where", inputs, ["bool", "f32", "f32"]) as [
      TensorType,
      TensorType,
      TensorType,
    ];
    return [f32(broadcastShapes(c.shape, broadcastShapes(a.shape, b.shape)))];
  },
  cast: (inputs, { to }) => {
    need(inputs.length === 1, "cast", inputs, "expected one input");
    return [{ dtype: to, shape: inputs[0]!.shape }];
  },
  reshape: (inputs, { shape }) => {
    const [x] = inputs;
    need(
      inputs.length === 1 && sizeOf(x!.shape) === sizeOf(shape),
      "reshape",
      inputs,
      `element count must equal that of [${shape.join(",")}]`,
    );
    return [{ dtype: x!.dtype, shape }];
  },
  transpose: (inputs, { perm }) => {
    const [x] = inputs;
    need(
      inputs.length === 1 &&
        perm.length === x!.shape.length &&
        perm.toSorted((a, b) => a - b).every((p, i) => p === i),
      "transpose",
      inputs,
      `perm [${perm.join(",")}] must name each axis once`,
    );
    return [{ dtype: x!.dtype, shape: perm.map((p) => x!.shape[p]!) }];
  },
  slice: (inputs, { axis, start, end }) => {
    const [x] = inputs;
    const length = x?.shape[axis] ?? -1;
    need(
      inputs.length === 1 && start >= 0 && start < end && end <= length,
      "slice",
      inputs,
      `${start}..${end} must be a non-empty part of axis ${axis}`,
    );
    return [{ dtype: x!.dtype, shape: x!.shape.map((d, i) => (i === axis ? end - start : d)) }];
  },
  pad: (inputs, { axis, before, after }) => {
    const [x] = take("pad", inputs, ["f32"]) as [TensorType];
    need(
      axis >= 0 && axis < x.shape.length && before >= 0 && after >= 0,
      "pad",
      inputs,
      `axis ${axis} with ${before} before and ${after} after`,
    );
    return [f32(x.shape.map((d, i) => (i === axis ? d + before + after : d)))];
  },
  concat: (inputs, { axis }) => {
    const first = inputs[0];
    need(
      first !== undefined &&
        inputs.every(
          (t) =>
            t.dtype === first.dtype &&
            t.shape.length === first.shape.length &&
            t.shape.every((d, i) => i === axis || d === first.shape[i]),
        ),
      "concat",
      inputs,
      `all axes but ${axis} must be equal`,
    );
    const total = inputs.reduce((n, t) => n + t.shape[axis]!, 0);
    return [{ dtype: first!.dtype, shape: first!.shape.map((d, i) => (i === axis ? total : d)) }];
  },
  split: (inputs, { axis, parts }) => {
    const [x] = take("split", inputs, ["f32"]) as [TensorType];
    const length = (x.shape[axis] ?? 0) / parts;
    need(
      Number.isInteger(length) && length > 0,
      "split",
      inputs,
      `axis ${axis} must fall into ${parts} equal parts`,
    );
    const part = f32(x.shape.map((d, i) => (i === axis ? length : d)));
    return Array.from({ length: parts }, () => part);
  },
  broadcastTo: (inputs, { shape }) => {
    const [x] = take("broadcastTo", inputs, ["f32"]) as [TensorType];
    need(
      sameShape(broadcastShapes(x.shape, shape), shape),
      "broadcastTo",
      inputs,
      `expected a shape that broadcasts to [${shape.join(",")}]`,
    );
    return [f32(shape)];
  },
  reduceSum: reduce("reduceSum"),
  reduceMean: reduce("reduceMean"),
  matmul: (inputs, { transA, transB }) => {
    const [a, b] = take("matmul", inputs, ["f32", "f32"]) as [TensorType, TensorType];
    const rank = a.shape.length;
    need(rank >= 2 && b.shape.length === rank, "matmul", inputs, "ranks must be equal, 2 or more");
    const batch = a.shape.slice(0, -2);
    const [am, ak] = a.shape.slice(-2) as [number, number];
    const [bk, bn] = b.shape.slice(-2) as [number, number];
    const [m, k] = transA ? [ak, am] : [am, ak];
    const [k2, n] = transB ? [bn, bk] : [bk, bn];
    need(
      k === k2 && sameShape(batch, b.shape.slice(0, -2)),
      "matmul",
      inputs,
      `inner and leading axes must agree (transA ${transA}, transB ${transB})`,
    );
    return [f32([...batch, m, n])];
  },
  gatherRows: (inputs) => {
    const [table, ids] = take("gatherRows", inputs, ["f32", "i32"]) as [TensorType, TensorType];
    need(table.shape.length === 2, "gatherRows", inputs, "the table must be [V,D]");
    return [f32([...ids.shape, table.shape[1]!])];
  },
  scatterAddRows: (inputs, { numRows }) => {
    const [ids, rows] = take("scatterAddRows", inputs, ["i32", "f32"]) as [TensorType, TensorType];
    need(
      sameShape(ids.shape, rows.shape.slice(0, -1)),
      "scatterAddRows",
      inputs,
      "rows must be the shape of ids with one more axis",
    );
    return [f32([numRows, rows.shape.at(-1)!])];
  },
  matmulQuantized: (inputs, { bits }) => {
    const [x, ...weight] = takePacked("matmulQuantized", inputs, "f32");
    const [rows, width] = packedShape("matmulQuantized", inputs, { weight, bits });
    need(
      x.shape.length === 2 && x.shape[1] === width,
      "matmulQuantized",
      inputs,
      `expected x [N,${width}], as wide as the packed rows`,
    );
    return [f32([x.shape[0]!, rows])];
  },
  gatherRowsQuantized: (inputs, { bits }) => {
    const [ids, ...weight] = takePacked("gatherRowsQuantized", inputs, "i32");
    const [, width] = packedShape("gatherRowsQuantized", inputs, { weight, bits });
    return [f32([...ids.shape, width])];
  },
  softmax: unary("softmax"),
  rmsNorm: (inputs) => {
    const [x, gain] = take("rmsNorm", inputs, ["f32", "f32"]) as [TensorType, TensorType];
    need(sameShape(gain.shape, x.shape.slice(-1)), "rmsNorm", inputs, "gain must be [D]");
    return [x, f32([...x.shape.slice(0, -1), 1])];
  },
  layerNorm: (inputs) => {
    const [x, gain, bias] = take("layerNorm", inputs, ["f32", "f32", "f32"]) as [
      TensorType,
      TensorType,
      TensorType,
    ];
    const width = x.shape.slice(-1);
    need(
      sameShape(gain.shape, width) && sameShape(bias.shape, width),
      "layerNorm",
      inputs,
      "gain and bias must be [D]",
    );
    const each = f32([...x.shape.slice(0, -1), 1]);
    return [x, each, each];
  },
  rotary: (inputs) => {
    const [x, cos, sin] = take("rotary", inputs, ["f32", "f32", "f32"]) as [
      TensorType,
      TensorType,
      TensorType,
    ];
    const half = cos.shape[1] ?? 0;
    need(
      x.shape.length === 4 &&
        half > 0 &&
        2 * half <= x.shape[3]! &&
        sameShape(cos.shape, [x.shape[2]!, half]) &&
        sameShape(sin.shape, cos.shape),
      "rotary",
      inputs,
      "expected x [B,H,T,d] and cos, sin [T,r/2], r at most d",
    );
    return [x];
  },
  attention: (inputs) => {
    const [q, k, v, bias] = take("attention", inputs, ["f32", "f32", "f32", "f32"]) as [
      TensorType,
      TensorType,
      TensorType,
      TensorType,
    ];
    const [b, h, m, d] = q.shape;
    const n = k.shape[2];
    need(
      q.shape.length === 4 &&
        sameShape(k.shape, [b!, h!, n!, d!]) &&
        sameShape(v.shape, k.shape) &&
        sameShape(bias.shape, [b!, 1, m!, n!]),
      "attention",
      inputs,
      "expected q [B,H,M,d], k and v [B,H,N,d], bias [B,1,M,N]",
    );
    return [q, f32([b!, h!, m!, n!])];
  },
  cachedAttention: (inputs, { window = 1 }) => {
    const angles = inputs.slice(6);
    const [q, k, v, kCache, vCache, past] = take("cachedAttention", inputs, [
      "f32",
      "f32",
      "f32",
      "f32",
      "f32",
      "i32",
      ...angles.map((): DType => "f32"),
    ]) as [TensorType, TensorType, TensorType, TensorType, TensorType, TensorType];
    const [b, h, t, d] = q.shape;
    const kv = k.shape[1]!;
    const capacity = kCache.shape[2]!;
    need(
      q.shape.length === 4 &&
        h! % kv === 0 &&
        sameShape(k.shape, [b!, kv, t!, d!]) &&
        sameShape(v.shape, k.shape) &&
        sameShape(kCache.shape, [b!, kv, capacity, d!]) &&
        sameShape(vCache.shape, kCache.shape) &&
        t! <= capacity &&
        sameShape(past.shape, [b!]) &&
        angles.every(({ shape }) => shape[0] === capacity) &&
        Number.isInteger(window) &&
        window > 0,
      "cachedAttention",
      inputs,
      "expected q [B,H,T,d], k, v [B,K,T,d], caches [B,K,C,d], past [B], angles [C,r/2], window 1 or more",
    );
    return [q, kCache, vCache];
  },
  crossEntropy: (inputs) => {
    const [logits, labels] = take("crossEntropy", inputs, ["f32", "i32"]) as [
      TensorType,
      TensorType,
    ];
    need(
      logits.shape.length === 2 && sameShape(labels.shape, [logits.shape[0]!]),
      "crossEntropy",
      inputs,
      "expected logits [N,V], labels [N]",
    );
    return [f32([logits.shape[0]!]), logits];
  },
  linearCrossEntropy: (inputs) => {
    const [hidden, weight, labels] = take("linearCrossEntropy", inputs, ["f32", "f32", "i32"]) as [
      TensorType,
      TensorType,
      TensorType,
    ];
    const [n, d] = hidden.shape;
    const v = weight.shape[0];
    need(
      sameShape(hidden.shape, [n!, d!]) &&
        sameShape(weight.shape, [v!, d!]) &&
        sameShape(labels.shape, [n!]),
      "linearCrossEntropy",
      inputs,
      "expected hidden [N,D], weight [V,D], labels [N]",
    );
    return [f32([n!]), f32([n!, v!])];
  },
  subtractOneHot: (inputs) => {
    const [probs, labels] = take("subtractOneHot", inputs, ["f32", "i32"]) as [
      TensorType,
      TensorType,
    ];
    need(
      probs.shape.length === 2 && sameShape(labels.shape, [probs.shape[0]!]),
      "subtractOneHot",
      inputs,
      "expected probs [N,V], labels [N]",
    );
    return [probs];
  },
};
