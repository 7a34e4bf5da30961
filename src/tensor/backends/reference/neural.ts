/**
 * The products and the composite ops of a transformer. Each is written from its definition in ops.ts; they share only
 * the softmax of one row. Knows no model.
 */
import { BackendError } from "../../../errors.ts";
import { type OpAttrs, sizeOf } from "../../ops.ts";
import type { CellData, Cells, Kernel } from "./cells.ts";
import { rowIndex } from "./layout.ts";

type Plain = Kernel<Record<never, never>>;

export const matmul: Kernel<OpAttrs["matmul"]> = ([a, b], [y], { transA, transB }) => {
  const [m, n] = y!.shape.slice(-2) as [number, number];
  const k = a!.shape.at(transA ? -2 : -1)!;
  const batches = sizeOf(y!.shape.slice(0, -2));
  const [aRow, aCol] = transA ? [1, m] : [k, 1];
  const [bRow, bCol] = transB ? [1, k] : [n, 1];
  const [ad, bd, yd] = [a!.data, b!.data, y!.data];
  for (let s = 0; s < batches; s++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        let ai = s * m * k + i * aRow;
        let bi = s * k * n + j * bCol;
        for (let l = 0; l < k; l++, ai += aCol, bi += bRow) sum += ad[ai]! * bd[bi]!;
        yd[(s * m + i) * n + j] = sum;
      }
};

/** Softmax of `count` values from `start`, in place. Returns log(sum(exp(x))) of the values before. */
function softmaxInPlace(x: CellData, start: number, count: number): number {
  let largest = -Infinity;
  for (let i = start; i < start + count; i++) largest = Math.max(largest, x[i]!);
  let sum = 0;
  for (let i = start; i < start + count; i++) sum += x[i] = Math.exp(x[i]! - largest);
  for (let i = start; i < start + count; i++) x[i]! /= sum;
  return largest + Math.log(sum);
}

export const softmax: Plain = ([x], [y]) => {
  const width = x!.shape.at(-1) ?? 1;
  y!.data.set(x!.data);
  for (let i = 0; i < y!.data.length; i += width) softmaxInPlace(y!.data, i, width);
};

export const rmsNorm: Kernel<OpAttrs["rmsNorm"]> = ([x, gain], [y, r], { eps }) => {
  const width = x!.shape.at(-1)!;
  for (let row = 0; row < r!.data.length; row++) {
    const start = row * width;
    let squares = 0;
    for (let d = 0; d < width; d++) squares += x!.data[start + d]! ** 2;
    const inverse = 1 / Math.sqrt(squares / width + eps);
    r!.data[row] = inverse;
    for (let d = 0; d < width; d++)
      y!.data[start + d] = x!.data[start + d]! * inverse * gain!.data[d]!;
  }
};

export const layerNorm: Kernel<OpAttrs["layerNorm"]> = ([x, gain, bias], [y, mean, r], { eps }) => {
  const width = x!.shape.at(-1)!;
  for (let row = 0; row < r!.data.length; row++) {
    const values = x!.data.subarray(row * width, (row + 1) * width);
    let sum = 0;
    for (const value of values) sum += value;
    const middle = sum / width;
    let squares = 0;
    for (const value of values) squares += (value - middle) ** 2;
    const inverse = 1 / Math.sqrt(squares / width + eps);
    mean!.data[row] = middle;
    r!.data[row] = inverse;
    for (const [d, value] of values.entries())
      y!.data[row * width + d] = (value - middle) * inverse * gain!.data[d]! + bias!.data[d]!;
  }
};

export const rotary: Plain = ([x, cos, sin], [y]) => {
  const length = x!.shape[2]!;
  turn(y!.data, { x: x!, cos: cos!, sin: sin!, angleOf: (row) => row % length });
};

/** Writes the rows of x, each with its first values turned by the row `angleOf` it of cos and sin. */
function turn(
  y: CellData,
  { x, cos, sin, angleOf }: Record<"x" | "cos" | "sin", Cells> & { angleOf(row: number): number },
): void {
  const width = x.shape[3]!;
  const half = cos.shape[1]!;
  y.set(x.data);
  for (let row = 0; row * width < x.data.length; row++)
    for (let i = 0; i < half; i++) {
      const c = cos.data[angleOf(row) * half + i]!;
      const s = sin.data[angleOf(row) * half + i]!;
      const x1 = x.data[row * width + i]!;
      const x2 = x.data[row * width + half + i]!;
      y[row * width + i] = x1 * c - x2 * s;
      y[row * width + half + i] = x2 * c + x1 * s;
    }
}

function dot(a: CellData, aStart: number, b: CellData, bStart: number, width: number): number {
  let sum = 0;
  for (let d = 0; d < width; d++) sum += a[aStart + d]! * b[bStart + d]!;
  return sum;
}

export const attention: Kernel<OpAttrs["attention"]> = (
  [q, k, v, bias],
  [out, probs],
  { scale },
) => {
  const [numBatches, numHeads, m, width] = q!.shape as [number, number, number, number];
  const n = k!.shape[2]!;
  for (let b = 0; b < numBatches; b++)
    for (let h = 0; h < numHeads; h++) {
      const head = b * numHeads + h;
      for (let i = 0; i < m; i++) {
        const row = (head * m + i) * n;
        const query = (head * m + i) * width;
        for (let j = 0; j < n; j++)
          probs!.data[row + j] =
            scale * dot(q!.data, query, k!.data, (head * n + j) * width, width) +
            bias!.data[(b * m + i) * n + j]!;
        softmaxInPlace(probs!.data, row, n);
        for (let j = 0; j < n; j++)
          for (let d = 0; d < width; d++)
            out!.data[query + d]! += probs!.data[row + j]! * v!.data[(head * n + j) * width + d]!;
      }
    }
};

export const cachedAttention: Kernel<OpAttrs["cachedAttention"]> = (
  [given, keys, v, kCache, vCache, past, cos, sin],
  [out, kNext, vNext],
  { scale, window = Infinity },
) => {
  const [numBatches, numHeads, length, width] = given!.shape as [number, number, number, number];
  const [, numKeyHeads, capacity] = kCache!.shape as [number, number, number, number];
  if (length > 1 && past!.data.some((p) => p !== past!.data[0]))
    throw new BackendError(
      `cachedAttention: expected equal past lengths for ${length} queries, got [${past!.data.join(", ")}]; ` +
        "run one token at a time or one sequence at a time",
    );
  const [q, k] = [given!, keys!].map((x): Cells => {
    if (cos === undefined) return x;
    const data = x.data.slice();
    const sequence = x.shape[1]! * length;
    const angleOf = (row: number): number =>
      past!.data[Math.floor(row / sequence)]! + (row % length);
    turn(data, { x, cos, sin: sin!, angleOf });
    return { ...x, data };
  });
  kNext!.data.set(kCache!.data);
  vNext!.data.set(vCache!.data);
  for (let b = 0; b < numBatches; b++) {
    const p = past!.data[b]!;
    if (p < 0 || p + length > capacity)
      throw new BackendError(
        `cachedAttention: ${length} positions after ${p} do not fit the cache's ${capacity}; make the cache larger`,
      );
    for (let g = 0; g < numKeyHeads; g++) {
      const source = (b * numKeyHeads + g) * length * width;
      const target = ((b * numKeyHeads + g) * capacity + p) * width;
      kNext!.data.set(k!.data.subarray(source, source + length * width), target);
      vNext!.data.set(v!.data.subarray(source, source + length * width), target);
    }
    for (let h = 0; h < numHeads; h++) {
      const g = Math.floor(h / (numHeads / numKeyHeads));
      const cached = (b * numKeyHeads + g) * capacity * width;
      for (let t = 0; t < length; t++) {
        const query = ((b * numHeads + h) * length + t) * width;
        const weights = new Float64Array(p + t + 1);
        const first = Math.max(0, weights.length - window);
        for (let j = first; j < weights.length; j++)
          weights[j] = scale * dot(q!.data, query, kNext!.data, cached + j * width, width);
        softmaxInPlace(weights, first, weights.length - first);
        for (let j = first; j < weights.length; j++)
          for (let d = 0; d < width; d++)
            out!.data[query + d]! += weights[j]! * vNext!.data[cached + j * width + d]!;
      }
    }
  }
};

export const crossEntropy: Plain = ([logits, labels], [loss, probs]) => {
  const [n, numClasses] = probs!.shape as [number, number];
  probs!.data.set(logits!.data);
  for (let i = 0; i < n; i++) {
    const label = rowIndex("crossEntropy", labels!.data[i]!, numClasses);
    const logit = logits!.data[i * numClasses + label]!;
    loss!.data[i] = softmaxInPlace(probs!.data, i * numClasses, numClasses) - logit;
  }
};

export const linearCrossEntropy: Plain = ([hidden, weight, labels], [loss, probs]) => {
  const width = hidden!.shape[1]!;
  const [n, numClasses] = probs!.shape as [number, number];
  for (let i = 0; i < n; i++) {
    const row = i * numClasses;
    const label = rowIndex("linearCrossEntropy", labels!.data[i]!, numClasses);
    for (let c = 0; c < numClasses; c++)
      probs!.data[row + c] = dot(hidden!.data, i * width, weight!.data, c * width, width);
    const logit = probs!.data[row + label]!;
    loss!.data[i] = softmaxInPlace(probs!.data, row, numClasses) - logit;
  }
};

export const subtractOneHot: Plain = ([probs, labels], [y]) => {
  const [n, numClasses] = probs!.shape as [number, number];
  y!.data.set(probs!.data);
  for (let i = 0; i < n; i++)
    y!.data[i * numClasses + rowIndex("subtractOneHot", labels!.data[i]!, numClasses)]! -= 1;
};
