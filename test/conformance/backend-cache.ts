/**
 * A text read piece by piece through `cachedAttention` must attend as if read at once: prefill,
 * further chunks, padded chunks, one token at a time, several texts side by side. The answer comes
 * from `attention` over the whole text. Knows no particular backend.
 */
import { describe, test } from "node:test";

import {
  evaluateGraph,
  type Executable,
  type Graph,
  GraphBuilder,
  type Shape,
  type Tensor,
  type Value,
  valueOf,
  type Values,
  zeros,
} from "../../src/tensor/index.ts";
import type { UseBackend } from "./backend.ts";
import { outputsFor, runBound } from "./bound-graphs.ts";
import { evaluateOp } from "./cases/op-case.ts";
import { toBeClose } from "./close.ts";
import { draw } from "./random.ts";

const [heads, keyHeads, capacity] = [4, 2, 32];

/** One call: how many tokens of each text are new, and how many slots of padding follow them. */
interface Piece {
  readonly length: number;
  readonly padding?: number;
}

const readings: Record<string, readonly Piece[]> = {
  "all at once": [{ length: 20 }],
  "one token at a time": Array.from({ length: 20 }, () => ({ length: 1 })),
  "prefill, then tokens": [{ length: 13 }, ...Array.from({ length: 7 }, () => ({ length: 1 }))],
  "prefill and chunks": [{ length: 7 }, { length: 6 }, { length: 7 }],
  "padded chunks": [
    { length: 5, padding: 3 },
    { length: 1, padding: 7 },
    { length: 8 },
    { length: 6, padding: 2 },
  ],
  "to the last slot": [{ length: 30 }, { length: 1 }, { length: 1 }],
};

export function cacheBehaviour(use: UseBackend, rtol: number): void {
  describe("attention over a cache", () => {
    for (const width of [8, 6])
      for (const place of ["in place", "to other memory and back"] as const)
        for (const [name, pieces] of Object.entries(readings))
          test(`${name}, caches updated ${place}, width ${width}`, async () => {
            const total = pieces.reduce((n, p) => n + p.length, 0);
            const text = textOf([1, total, width], 1);
            const expected = attendToAll(text, total);
            let caches = emptyCaches(1, width);
            let past = 0;
            for (const { length, padding = 0 } of pieces) {
              const slots = length + padding;
              const next = place === "in place" ? caches : emptyCaches(1, width);
              const out = await attend(use, {
                chunk: text.map((v) => window(v, { start: past, length, slots })),
                caches,
                next,
                past: [past],
              });
              const part = window(expected, { start: past, length, slots });
              toBeClose(live(out, length), live(part, length), { rtol: 10 * rtol, magnitude: 4 });
              caches = next;
              past += length;
            }
          });

    test("texts of different lengths decode side by side as they do alone", async () => {
      const [width, starts, numSteps] = [8, [3, 0, 11, 24], 6];
      const text = textOf([starts.length, capacity, width], 2);
      const expected = attendToAll(text, capacity);
      const caches = emptyCaches(starts.length, width);
      for (const [i, cache] of caches.entries())
        for (const [b, start] of starts.entries())
          for (let head = 0; head < keyHeads; head++) {
            const at = (b * keyHeads + head) * capacity * width;
            cache.data.set(text[i + 1]!.data.subarray(at, at + start * width), at);
          }
      for (let step = 0; step < numSteps; step++) {
        const past = starts.map((s) => s + step);
        const chunk = text.map((v) => token(v, past));
        const out = await attend(use, { chunk, caches, next: caches, past });
        toBeClose(out.data, token(expected, past).data, { rtol: 10 * rtol, magnitude: 4 });
      }
    });

    for (const reader of ["a node", "an output", "a second attention"] as const)
      test(`a cache updated in place is also read by ${reader}`, async () => {
        const { graph, inputs } = readTwice(reader);
        const numbers = Object.fromEntries(Object.entries(inputs).map(([k, v]) => [k, v.data]));
        const expected = evaluateGraph(graph, numbers);
        const outputs = outputsFor(graph);
        outputs["nextKeys"] = inputs["keys"]!;
        outputs["nextValues"] = inputs["values"]!;
        await runBound(use(), graph, { inputs, outputs });
        for (const [name, e] of Object.entries(expected))
          toBeClose(outputs[name]!.data, e, { rtol: 10 * rtol, magnitude: 4, label: name });
      });
  });
}

/** Queries, keys and values of whole texts, each [B,heads,T,d]. */
function textOf([b, t, width]: readonly [number, number, number], seed: number): Value[] {
  const d = draw(seed);
  return [heads, keyHeads, keyHeads].map((n) => d.normal([b, n, t, width]));
}

/** Not 1 / sqrt(d), which some kernels take when they are told nothing. */
function scaleOf(width: number): number {
  return 0.8 / Math.sqrt(width);
}

/** [B,heads,T,d], by `attention` with each key head repeated and a causal bias. */
function attendToAll([q, k, v]: readonly Value[], length: number): Value {
  const [b, , , width] = q!.shape as [number, number, number, number];
  const bias = Float32Array.from({ length: b * length * length }, (_, i) =>
    i % length <= Math.floor(i / length) % length ? 0 : -Infinity,
  );
  const repeat = ({ data, shape }: Value): Value => {
    const size = length * width;
    const parts = Array.from({ length: b * heads }, (_, i) => {
      const source =
        Math.floor(i / heads) * keyHeads + Math.floor((i % heads) / (heads / keyHeads));
      return [...data.subarray(source * size, (source + 1) * size)];
    });
    return valueOf(Float32Array.from(parts.flat()), shape.with(1, heads));
  };
  const operands = [q!, repeat(k!), repeat(v!), valueOf(bias, [b, 1, length, length])];
  const [out] = evaluateOp("attention", operands, { scale: scaleOf(width) });
  return valueOf(Float32Array.from(out!), q!.shape);
}

function emptyCaches(b: number, width: number): Value[] {
  return [0, 1].map(() => zeros("f32", [b, keyHeads, capacity, width]));
}

/** `length` positions from `start`, and large numbers in the slots after them. */
function window(
  { data, shape }: Value,
  { start, length, slots }: { start: number; length: number; slots: number },
): Value {
  const [b, n, t, width] = shape as [number, number, number, number];
  const out = new Float32Array(b * n * slots * width).fill(50);
  for (let row = 0; row < b * n; row++) {
    const from = (row * t + start) * width;
    out.set(data.subarray(from, from + length * width) as Float32Array, row * slots * width);
  }
  return valueOf(out, [b, n, slots, width]);
}

/** What `window` put before the padding. */
function live({ data, shape }: Value, length: number): number[] {
  const [, , slots, width] = shape as [number, number, number, number];
  return [...data].filter((_, i) => Math.floor(i / width) % slots < length);
}

/** One position of each text, its own for each. */
function token({ data, shape }: Value, at: readonly number[]): Value {
  const [b, n, t, width] = shape as [number, number, number, number];
  const out = new Float32Array(b * n * width);
  for (let row = 0; row < b * n; row++) {
    const from = (row * t + at[Math.floor(row / n)]!) * width;
    out.set(data.subarray(from, from + width) as Float32Array, row * width);
  }
  return valueOf(out, [b, n, 1, width]);
}

/** One decoding step in which old and new caches have other readers. */
function readTwice(reader: "a node" | "an output" | "a second attention"): {
  graph: Graph;
  inputs: Record<string, Value>;
} {
  const width = 8;
  const g = new GraphBuilder();
  const d = draw(3);
  const inputs: Record<string, Value> = {};
  const take = (name: string, value: Value): Tensor => {
    inputs[name] = value;
    return g.input(name, value.dtype, value.shape);
  };
  const q = take("q", d.normal([1, heads, 1, width]));
  const [k, v] = ["k", "v"].map((name) => take(name, d.normal([1, keyHeads, 1, width])));
  const caches = ["keys", "values"].map((n) => take(n, d.normal([1, keyHeads, capacity, width])));
  const past = take("past", valueOf(Int32Array.of(9), [1]));
  const scale = scaleOf(width);
  const step = [q, k!, v!, ...caches, past];
  const [out, nextKeys, nextValues] = g.op("cachedAttention", step, { scale });
  const outputs = { out: out!, nextKeys: nextKeys!, nextValues: nextValues! };
  const more: Record<string, Tensor> = {};
  if (reader === "an output") more["oldKeys"] = caches[0]!;
  if (reader === "a node") {
    more["oldSum"] = g.reduceSum(
      g.add(g.reshape(caches[0]!, nextKeys!.shape), g.reduceMean(out!, [0, 1, 2, 3])),
      [2],
    );
    more["newSum"] = g.reduceSum(nextValues!, [2]);
  }
  if (reader === "a second attention")
    more["again"] = g.op("cachedAttention", [out!, v!, k!, ...caches, past], { scale })[0]!;
  return { graph: g.build({ ...outputs, ...more }), inputs };
}

interface Call {
  readonly chunk: readonly Value[];
  readonly caches: readonly Value[];
  readonly next: readonly Value[];
  readonly past: readonly number[];
}

async function attend(use: UseBackend, { chunk, caches, next, past }: Call): Promise<Value> {
  const shapes: Shape[] = [...chunk, ...caches].map((v) => v.shape);
  const names = ["q", "k", "v", "keys", "values"];
  const g = new GraphBuilder();
  const operands = names.map((name, i) => g.input(name, "f32", shapes[i]!));
  const lengths = g.input("past", "i32", [past.length]);
  const scale = scaleOf(shapes[0]!.at(-1)!);
  const [out, keys, values] = g.op("cachedAttention", [...operands, lengths], { scale });
  const graph = g.build({ out: out!, nextKeys: keys!, nextValues: values! });
  const result = zeros("f32", shapes[0]!);
  const executable: Executable = await use().compile(graph);
  const inputs: Values = {
    ...Object.fromEntries(names.map((name, i) => [name, [...chunk, ...caches][i]!])),
    past: valueOf(Int32Array.from(past), [past.length]),
  };
  const outputs = { out: result, nextKeys: next[0]!, nextValues: next[1]! };
  await executable.bind(inputs, outputs).run();
  await executable.dispose();
  return result;
}
