/**
 * The texts of a search, with all that comes before the vectors in them: computed once, then read at every step. Knows
 * one model and one layer; no gradients.
 */
import { type ExecutableCache, inputsOf, type LanguageModel } from "../inference/index.ts";
import { io, type PastShape, rotaryInputs } from "../model/index.ts";
import { type Value, type Values, valueOf, zeros } from "../tensor/index.ts";
import type { EditRow } from "./edit.ts";
import { memoryOfRows } from "./memory-of-rows.ts";
import { type Columns, columnsOf, placeRows } from "./placed-rows.ts";

/** What is known of one edit while its vector is sought. */
export interface Sought {
  readonly rows: readonly EditRow[];
  readonly vector: Float32Array;
  /** Chances [V] after each leash before the search. */
  readonly kept: Map<EditRow, Float32Array>;
  /** The best so far, and its least chance of a whole completion. */
  best: { readonly vector: Float32Array; readonly chance: number };
  /** The least chance without a vector, once it is known. */
  before: number | undefined;
  steps: number;
}

export function startFrom(vector: Float32Array, rows: readonly EditRow[]): Sought {
  const best = { vector: vector.slice(), chance: -1 };
  return { rows, vector, kept: new Map(), best, before: undefined, steps: 0 };
}

export interface SearchTexts {
  readonly layer: number;
  readonly sought: readonly Sought[];
  readonly columns: Columns;
  /** What `pastGraph` gave, and the memory of the window [B*W,E]: their first axis is the rows. */
  readonly values: Values;
}

/** Runs what comes before the vectors. */
export async function searchTexts(
  model: LanguageModel,
  pasts: ExecutableCache<PastShape>,
  { layer, sought }: Pick<SearchTexts, "layer" | "sought">,
): Promise<SearchTexts> {
  const { config, params } = model;
  const rows = sought.flatMap((one) => one.rows);
  const columns = columnsOf(config, rows);
  const placed = placeRows(rows, columns);
  const { past, window } = columns;
  const batch = rows.length;
  const length = past + window;
  const { graph, executable } = await pasts.get({ batch, ...columns, layer });
  const memory = await memoryOfRows(model, rows, placed);
  const inputs: Record<string, Value> = {
    [io.ids]: valueOf(placed.ids, [batch, length]),
    [io.segments]: valueOf(placed.segments, [batch, length]),
    ...rotaryInputs(config, length),
  };
  const values: Record<string, Value> = {};
  for (const [name, { dtype, shape }] of graph.outputs) values[name] = zeros(dtype, shape);
  const outputs = { ...values };
  for (const [id, data] of memory) {
    const width = data.length / (batch * length);
    inputs[io.memory(id)] = valueOf(data, [batch * length, width]);
    const ofWindow = new Float32Array(batch * window * width);
    for (let r = 0; r < batch; r++) {
      const from = (r * length + past) * width;
      ofWindow.set(data.subarray(from, from + window * width), r * window * width);
    }
    values[io.memory(id)] = valueOf(ofWindow, [batch * window, width]);
  }
  const given = { ...inputsOf(graph, params), ...inputsOf(graph, inputs) };
  const binding = executable.bind(given, outputs);
  try {
    await binding.run();
  } finally {
    binding.dispose();
  }
  return { layer, sought, columns, values };
}

/** The texts of some of the edits, in the order that they have. */
export function narrowed(texts: SearchTexts, to: readonly Sought[]): SearchTexts {
  const { sought, values } = texts;
  if (to.length === sought.length) return texts;
  const isKept = sought.flatMap((one) => one.rows.map(() => to.includes(one)));
  const count = isKept.filter(Boolean).length;
  const narrow = ({ dtype, shape, data }: Value): Value => {
    const size = data.length / isKept.length;
    const into = new Float32Array(count * size);
    let row = 0;
    for (const [r, kept] of isKept.entries())
      if (kept) into.set(data.subarray(r * size, (r + 1) * size), row++ * size);
    return { dtype, shape: [(shape[0]! * count) / isKept.length, ...shape.slice(1)], data: into };
  };
  const all = Object.entries(values).map(([name, value]) => [name, narrow(value)] as const);
  return { ...texts, sought: to, values: Object.fromEntries(all) };
}
