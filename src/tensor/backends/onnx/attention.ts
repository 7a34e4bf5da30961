/**
 * Attention and rotary positions as ONNX nodes: the ops whose lowering is more than a node or two.
 * Knows what ONNX Runtime's fused kernels compute and where they may not be used.
 */
import type { BlockKernels } from "./blocked.ts";
import type { Node, TensorData } from "../../graph.ts";
import type { OpName, Shape } from "../../ops.ts";
import type { Attributes, Emitter } from "./emitter.ts";
import { onnxType } from "./protobuf.ts";

/** Where an op is written: its node, and the names of its values in the model. */
export interface Site<K extends OpName> {
  readonly node: Node<K>;
  readonly in: readonly string[];
  readonly out: readonly string[];
  /** Whether a kernel may update both caches of a `cachedAttention` in place (see `InPlacePair`). */
  readonly cachesInPlace: boolean;
  /** Whether the graph returns what the op computes. */
  readonly isResult: boolean;
  /** Whether it is a norm that is written with a sum: `sum`, or one with zero (`fusion.ts`). */
  readonly isStreamNorm: boolean;
  readonly sum?: { readonly in: readonly string[]; readonly out: string } | undefined;
  /** Where the matrix that is read, or is written by rows, lies in blocks of `size` rows: their name, as [M,K,1,1] (`blocked.ts`). */
  readonly blocks?:
    | { readonly name: string; readonly size: number; readonly kernels: BlockKernels }
    | undefined;
  /** Whether it is a product that unpacks its matrix first. */
  readonly isUnpacked: boolean;
  /** The matrices of products that are written as one. Each of `out` is the result of one. */
  readonly joined?: JoinedMatrices | undefined;
}

/** Packed matrices one behind the other in memory. */
export interface JoinedMatrices {
  /** Results [N,M] of their products. */
  readonly shapes: readonly Shape[];
  /** Codes, scales and, where they have them, offsets of the first. */
  readonly first: readonly TensorData[];
}

type CacheOperands = readonly [string, string, string, string, string, string, string?, string?];

const headsFirst = [0, 2, 1, 3];

/** [B,H,T,d] as [B,T,H*d], the layout of ONNX Runtime's fused kernels. */
function merged(e: Emitter, x: string, [b, h, t, d]: readonly number[]): string {
  const rows = e.transpose(x, { shape: [b!, h!, t!, d!], perm: headsFirst });
  return e.reshape(rows, [b!, t!, h! * d!]);
}

/** The inverse of `merged`; the result is named `out`. */
function split(e: Emitter, x: string, [b, h, t, d]: readonly number[], out: string): void {
  const shape = [b!, t!, h!, d!];
  e.transpose(e.reshape(x, shape), { shape, perm: headsFirst }, out);
}

/** What RotaryEmbedding is told of heads [B,H,T,d] of which so much is turned. */
function turning([, h, , d]: readonly number[], rotated: number): Attributes {
  return rotated === d ? {} : { rotary_embedding_dim: BigInt(rotated), num_heads: BigInt(h!) };
}

/** `x` [B,H,T,d] turned by rows, named `out`. `angles` are positions, cos and sin. */
function turn(
  e: Emitter,
  x: string,
  { shape, angles, rotated, out }: { shape: Shape; angles: string[]; rotated: number; out: string },
): void {
  const [b, h, t, d] = shape as [number, number, number, number];
  const inputs = [merged(e, x, shape), ...angles];
  const turned = e.viaMs("RotaryEmbedding", inputs, turning(shape, rotated));
  e.declare(turned, [b, t, h * d]);
  split(e, turned, shape, out);
}

export function rotary(e: Emitter, s: Site<"rotary">): void {
  const [x, cos, sin] = s.in as [string, string, string];
  const { shape } = s.node.inputs[0]!;
  const angles = [e.ints([0]), cos, sin];
  const rotated = 2 * s.node.inputs[1]!.shape[1]!;
  // The kernel takes both layouts. If it runs before a transpose, a later transpose can cancel with that one.
  if (e.isTransposed(x, { shape, perm: headsFirst }))
    turn(e, x, { shape, angles, rotated, out: s.out[0]! });
  else e.addMs("RotaryEmbedding", [x, ...angles], s.out, turning(shape, rotated));
}

export function attention(e: Emitter, s: Site<"attention">): void {
  const [q, k, v, bias] = s.in as [string, string, string, string];
  const [out, probs] = s.out as [string, string];
  const scores = e.viaMs("FusedMatMul", [q, k], { transB: 1n, alpha: s.node.attrs.scale });
  e.add("Softmax", [e.via("Add", [scores, bias])], [probs], { axis: -1n });
  e.add("MatMul", [probs, v], [out]);
}

/** GroupQueryAttention with caches that input and output share. Touches only positions in use. */
export function groupQuery(e: Emitter, s: Site<"cachedAttention">): void {
  const [, , , kCache, vCache, past] = s.in as CacheOperands;
  const [queries, keys] = [s.node.inputs[0]!.shape, s.node.inputs[1]!.shape];
  const [b, h, t, d] = queries as [number, number, number, number];
  const kv = keys[1]!;
  const last = e.shared("Add", [past, e.constant("i32", [], [t - 1])]);
  const ends = e.shared("Add", [past, e.constant("i32", [], [t])]);
  const longest = e.shared("ReduceMax", [ends], { keepdims: 0n });
  // Its own rotation is the same kernel's, of heads and turned parts of some widths only.
  const isTurned = d % 16 > 0 || (s.node.inputs[6]?.shape[1] ?? 0) % 8 > 0;
  const qkv = isTurned ? turnedHeads(e, s) : s.in.slice(0, 3);
  const rows = qkv.map((x, i) => merged(e, x, s.node.inputs[i]!.shape));
  const one = e.whole(rows);
  const given = one === undefined ? rows : [e.reshape(one, [b, t, (h + 2 * kv) * d]), "", ""];
  const angles = isTurned ? [] : s.in.slice(6);
  const out = e.temp();
  e.addMs(
    "GroupQueryAttention",
    [...given, kCache, vCache, last, longest, ...angles],
    [out, s.out[1]!, s.out[2]!],
    {
      num_heads: BigInt(h),
      kv_num_heads: BigInt(kv),
      scale: s.node.attrs.scale,
      ...(angles.length > 0 && { do_rotary: 1n }),
      ...(s.node.attrs.window !== undefined && {
        local_window_size: BigInt(s.node.attrs.window),
      }),
    },
  );
  e.declare(out, [b, t, h * d]);
  split(e, out, queries, s.out[0]!);
}

/** Queries, keys and values [B,H,T,d], the first two with each position turned by its own row of cos and sin. */
function turnedHeads(e: Emitter, s: Site<"cachedAttention">): string[] {
  const [q, k, v, , , past, cos, sin] = s.in as CacheOperands;
  if (cos === undefined) return [q, k, v];
  const [b, , t] = s.node.inputs[0]!.shape as [number, number, number];
  const steps = e.constant("i32", [1, t], [...Array(t).keys()]);
  const column = e.shared("Reshape", [past, e.ints([b, 1])]);
  const places = e.shared("Cast", [e.shared("Add", [column, steps])], { to: BigInt(onnxType.i64) });
  const angles = [places, cos, sin!];
  const rotated = 2 * s.node.inputs[6]!.shape[1]!;
  const turned = [q, k].map((x, i) => {
    const out = e.temp();
    turn(e, x, { shape: s.node.inputs[i]!.shape, angles, rotated, out });
    return out;
  });
  return [...turned, v];
}

/** The same from plain ops, over the whole capacity: exact for every batch and chunk length. */
export function scatterAttend(e: Emitter, s: Site<"cachedAttention">): void {
  const [, , , kCache, vCache, past] = s.in as CacheOperands;
  const [q, k, v] = turnedHeads(e, s) as [string, string, string];
  const [b, h, t, d] = s.node.inputs[0]!.shape as [number, number, number, number];
  const [, kv, capacity] = s.node.inputs[3]!.shape as [number, number, number, number];
  const group = h / kv;
  const where = e.shared("Cast", [past], { to: BigInt(onnxType.i64) });
  const [out, keys, values] = s.out as [string, string, string];
  e.add("TensorScatter", [kCache, k, where], [keys], { axis: -2n });
  e.add("TensorScatter", [vCache, v, where], [values], { axis: -2n });
  const stacked = [b, kv, group * t];
  const scores = e.viaMs("FusedMatMul", [e.reshape(q, [...stacked, d]), keys], {
    transB: 1n,
    alpha: s.node.attrs.scale,
  });
  const count = (length: number, from: number): number[] =>
    Array.from({ length }, (_, i) => from + i);
  const ends = e.constant("i32", [1, 1, 1, t, 1], count(t, 1));
  const places = e.constant("i32", [1, 1, 1, 1, capacity], count(capacity, 0));
  const column = e.shared("Reshape", [past, e.ints([b, 1, 1, 1, 1])]);
  const end = e.shared("Add", [column, ends]);
  let seen = e.shared("Less", [places, end]);
  const { window } = s.node.attrs;
  if (window !== undefined) {
    const first = e.shared("Sub", [end, e.constant("i32", [], [window])]);
    seen = e.shared("And", [seen, e.shared("LessOrEqual", [first, places])]);
  }
  const byHead = e.reshape(scores, [b, kv, group, t, capacity]);
  const masked = e.via("Where", [seen, byHead, e.constant("f32", [], [-Infinity])]);
  const probs = e.via("Softmax", [masked], { axis: -1n });
  const rows = e.via("MatMul", [e.reshape(probs, [...stacked, capacity]), values]);
  e.reshape(rows, [b, h, t, d], out);
}
