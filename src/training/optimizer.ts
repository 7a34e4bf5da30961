/**
 * Optimizers of the backbone, as graphs that update weights and state in place. Each is a pair: the
 * state it needs, and an update that moves parameters and state by one step. Knows flat arrays and
 * matrix shapes; not layers, losses or tables.
 */
import { DisposalStack } from "../disposal-stack.ts";
import type { ParamLayout } from "../model/index.ts";
import {
  type Backend,
  type Binding,
  type Executable,
  type Graph,
  GraphBuilder,
  type Tensor,
  type Value,
  valueOf,
} from "../tensor/index.ts";

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
}

/** Language-model settings since GPT-3 (arXiv 2005.14165, appendix B). */
export const adamWDefaults: AdamWOptions = { beta1: 0.9, beta2: 0.95, eps: 1e-8 };

/** Momentum and iterations of Muon as published (Jordan et al. 2024, "Muon"). */
const muonMomentum = 0.95;
const newtonSchulzSteps = 5;
/** Coefficients of the quintic that pushes singular values towards 1, same source. */
const quintic = [3.4445, -4.775, 2.0315] as const;

/** Numbers per AdamW run: a chunk and its temporaries stay in the second-level cache. */
const chunkLength = 1 << 16;

/** Per-step numbers of an optimizer graph, [1] each, shared by all its bindings. */
class StepScalars {
  readonly values: Readonly<Record<string, Value>>;

  constructor(names: readonly string[]) {
    // 32 floats each: memory of this size is never on the JavaScript heap, where it could move.
    this.values = Object.fromEntries(
      names.map((name) => [name, valueOf(new Float32Array(32).subarray(0, 1), [1])]),
    );
  }

  set(name: string, value: number): void {
    this.values[name]!.data[0] = value;
  }
}

/**
 * AdamW (arXiv 1711.05101) over [n] numbers:
 *   g <- clip g; m <- b1 m + (1-b1) g; v <- b2 v + (1-b2) g^2
 *   p <- keep p - rate m / (sqrt(v) + eps')
 * where the host folds bias correction and decay into the scalars: rate = lr sqrt(c2) / c1 and
 * eps' = eps sqrt(c2), with ci = 1 - bi^step, and keep = 1 - lr decay.
 */
function adamWGraph(n: number, { beta1, beta2 }: AdamWOptions): Graph {
  const g = new GraphBuilder();
  const input = (name: string, length: number): Tensor => g.input(name, "f32", [length]);
  const p = input("p", n);
  const m = input("m", n);
  const v = input("v", n);
  const grad = g.mul(input("g", n), input("clip", 1));
  const m2 = g.add(g.mul(m, beta1), g.mul(grad, 1 - beta1));
  const v2 = g.add(g.mul(v, beta2), g.mul(g.mul(grad, grad), 1 - beta2));
  const step = g.div(g.mul(m2, input("rate", 1)), g.add(g.sqrt(v2), input("eps", 1)));
  const p2 = g.sub(g.mul(p, input("keep", 1)), step);
  return g.build({ "next.p": p2, "next.m": m2, "next.v": v2 });
}

/**
 * Muon over one matrix [rows,cols]: Nesterov momentum, then the nearest semi-orthogonal matrix by
 * five Newton-Schulz steps, scaled to AdamW's usual update size so that both share one learning rate
 * (0.2 sqrt(max(rows, cols)), arXiv 2502.16982, eq. 4).
 */
function muonGraph(rows: number, cols: number): Graph {
  const g = new GraphBuilder();
  const shape = [rows, cols];
  const p = g.input("p", "f32", shape);
  const m = g.input("m", "f32", shape);
  const grad = g.mul(g.input("g", "f32", shape), g.input("clip", "f32", [1]));
  const m2 = g.add(g.mul(m, muonMomentum), grad);
  const nesterov = g.add(grad, g.mul(m2, muonMomentum));
  const norm = g.sqrt(g.reduceSum(g.mul(nesterov, nesterov), [0, 1]));
  let x = g.div(nesterov, g.add(norm, 1e-20));
  const [a, b, c] = quintic;
  const wide = cols >= rows;
  for (let i = 0; i < newtonSchulzSteps; i++) {
    // The Gram matrix on the shorter side.
    const gram = wide ? g.matmul(x, x, { transB: true }) : g.matmul(x, x, { transA: true });
    const poly = g.add(g.mul(gram, b), g.mul(g.matmul(gram, gram), c));
    x = g.add(g.mul(x, a), wide ? g.matmul(poly, x) : g.matmul(x, poly));
  }
  const scale = 0.2 * Math.sqrt(Math.max(rows, cols));
  const step = g.mul(g.mul(x, scale), g.input("rate", "f32", [1]));
  const p2 = g.sub(g.mul(p, g.input("keep", "f32", [1])), step);
  return g.build({ "next.p": p2, "next.m": m2 });
}

/** What one update is told. `lr` is that of this step; `clip` multiplies every gradient. */
export interface UpdateStep {
  readonly step: number;
  readonly lr: number;
  readonly clip: number;
}

export interface DenseOptimizer {
  /** Moves the parameters it was made for by one step. `step` counts from 0. */
  update(step: UpdateStep): Promise<void>;
  dispose(): Promise<void>;
}

export interface FlatArrays {
  readonly params: Float32Array;
  readonly gradients: Float32Array;
  /** First moment; Muon's momentum lives here too. */
  readonly m: Float32Array;
  readonly v: Float32Array;
}

/** AdamW over elements start..end of the flat arrays. */
export async function adamW(
  backend: Backend,
  arrays: FlatArrays,
  {
    range: [start, end],
    decay,
    options = adamWDefaults,
  }: { range: readonly [number, number]; decay: number; options?: AdamWOptions },
): Promise<DenseOptimizer> {
  const scalars = new StepScalars(["clip", "rate", "eps", "keep"]);
  await using opened = new DisposalStack();
  const executables = new Map<number, Executable>();
  const bindings: Binding[] = [];
  for (let at = start; at < end; at += chunkLength) {
    const n = Math.min(chunkLength, end - at);
    let executable = executables.get(n);
    if (executable === undefined) {
      executable = opened.adopt(await backend.compile(adamWGraph(n, options)), (e) => e.dispose());
      executables.set(n, executable);
    }
    const view = (data: Float32Array): Value => valueOf(data.subarray(at, at + n), [n]);
    const state = { p: view(arrays.params), m: view(arrays.m), v: view(arrays.v) };
    bindings.push(
      executable.bind(
        { ...state, g: view(arrays.gradients), ...scalars.values },
        { "next.p": state.p, "next.m": state.m, "next.v": state.v },
      ),
    );
  }
  const owned = opened.move();
  return {
    async update({ step, lr, clip }) {
      const c1 = 1 - options.beta1 ** (step + 1);
      const c2 = Math.sqrt(1 - options.beta2 ** (step + 1));
      scalars.set("clip", clip);
      scalars.set("rate", (lr * c2) / c1);
      scalars.set("eps", options.eps * c2);
      scalars.set("keep", 1 - lr * decay);
      for (const binding of bindings) await binding.run();
    },
    // Bindings go with their executables.
    dispose: () => owned[Symbol.asyncDispose](),
  };
}

/** Muon over the given matrices, each [rows,cols] at `offset` of the flat arrays. */
export async function muon(
  backend: Backend,
  arrays: FlatArrays,
  {
    matrices,
    decay,
  }: {
    matrices: readonly { readonly offset: number; readonly shape: readonly number[] }[];
    decay: number;
  },
): Promise<DenseOptimizer> {
  const scalars = new StepScalars(["clip", "rate", "keep"]);
  await using opened = new DisposalStack();
  const executables = new Map<string, Executable>();
  const bindings: Binding[] = [];
  for (const { offset, shape } of matrices) {
    const [rows, cols] = shape as [number, number];
    const key = `${rows}x${cols}`;
    let executable = executables.get(key);
    if (executable === undefined) {
      executable = opened.adopt(await backend.compile(muonGraph(rows, cols)), (e) => e.dispose());
      executables.set(key, executable);
    }
    const view = (data: Float32Array): Value =>
      valueOf(data.subarray(offset, offset + rows * cols), [rows, cols]);
    const p = view(arrays.params);
    const m = view(arrays.m);
    bindings.push(
      executable.bind(
        { p, m, g: view(arrays.gradients), ...scalars.values },
        { "next.p": p, "next.m": m },
      ),
    );
  }
  const owned = opened.move();
  return {
    async update({ lr, clip }) {
      scalars.set("clip", clip);
      scalars.set("rate", lr);
      scalars.set("keep", 1 - lr * decay);
      for (const binding of bindings) await binding.run();
    },
    // Bindings go with their executables.
    dispose: () => owned[Symbol.asyncDispose](),
  };
}

/** The backbone's optimizers: the given rule for hidden matrices, AdamW for the rest. Gains do not
 *  decay. */
export async function denseOptimizers(
  backend: Backend,
  arrays: FlatArrays,
  {
    layout: { specs, offsets, ranges },
    matrices,
    decay,
  }: { layout: ParamLayout; matrices: "muon" | "adamw"; decay: number },
): Promise<DenseOptimizer[]> {
  await using opened = new DisposalStack();
  const hidden =
    matrices === "adamw"
      ? adamW(backend, arrays, { range: ranges.matrix, decay })
      : muon(backend, arrays, {
          matrices: specs
            .filter(({ kind }) => kind === "matrix")
            .map(({ name, shape }) => ({ offset: offsets.get(name)!, shape })),
          decay,
        });
  const optimizers: DenseOptimizer[] = [];
  const add = (one: DenseOptimizer): unknown =>
    optimizers.push(opened.adopt(one, (optimizer) => optimizer.dispose()));
  add(await hidden);
  add(await adamW(backend, arrays, { range: ranges.embedding, decay }));
  add(await adamW(backend, arrays, { range: ranges.gain, decay: 0 }));
  opened.move();
  return optimizers;
}

/** Euclidean length of all gradients, summed in f64. */
export function globalNorm(gradients: Float32Array): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  // Four sums, so that one addition need not wait for the one before. Lengths are multiples of 16.
  for (let i = 0; i < gradients.length; i += 4) {
    a += gradients[i]! * gradients[i]!;
    b += gradients[i + 1]! * gradients[i + 1]!;
    c += gradients[i + 2]! * gradients[i + 2]!;
    d += gradients[i + 3]! * gradients[i + 3]!;
  }
  return Math.sqrt(a + b + c + d);
}
