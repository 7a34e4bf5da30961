/**
 * A step of a search as one run of the engine: vectors in, nats of each text and gradients out. Knows arrays and their
 * graph; no rule by which vectors move.
 */
import { type ExecutableCache, inputsOf } from "../inference/index.ts";
import { io, type ModelConfig, vectorGraph, vectorIo } from "../model/index.ts";
import { type Binding, type Value, type Values, valueOf, zeros } from "../tensor/index.ts";
import type { Columns } from "./placed-rows.ts";
import { atPlaces, type Places, placesOf, type Which } from "./places.ts";
import type { SearchTexts, Sought } from "./search-texts.ts";

export type SearchShape = Parameters<typeof vectorGraph>[1];

/** What a run tells of one text. */
export interface ToldRow {
  /** Nats of its whole completion; of a leash the divergence from what it said before. */
  readonly nats: number;
  /** [D], of these nats. */
  readonly gradient: Float32Array;
}

/** What a run tells of one edit. */
export interface Told {
  /** In their order. */
  readonly statements: readonly ToldRow[];
  readonly leashes: readonly ToldRow[];
  /** Length of the stream where the vector is added, in its first text. */
  readonly streamLength: number;
}

export class SearchRun {
  readonly sought: readonly Sought[];
  readonly #texts: SearchTexts;
  readonly #vocabSize: number;
  readonly #inputs: Values;
  readonly #outputs: Values;
  readonly #binding: Binding;
  /** Of each prediction and each leash, the row. */
  readonly #predicted: readonly number[];
  readonly #leashed: readonly number[];

  /** `above` are the weights of the layers above. Dispose it. */
  static async create(
    texts: SearchTexts,
    parts: {
      readonly which: Which;
      readonly config: ModelConfig;
      readonly above: Values;
      readonly searches: ExecutableCache<SearchShape>;
    },
  ): Promise<SearchRun> {
    const { which, config, above, searches } = parts;
    const { sought, columns, values, layer } = texts;
    const { past, window } = columns;
    const rows = sought.flatMap((one) => one.rows);
    const starts = rows.map((row) => past - row.at[0]!);
    const places = placesOf(config, rows, { past, window, starts }, which);
    const memories = config.engram?.layerIds ?? [];
    const predicted = rows.flatMap((row, r) =>
      row.predicted.map(({ position, label }) => ({ r, at: places.indexOf(r, position), label })),
    );
    const leashes = [...rows.keys()].filter((r) => rows[r]!.predicted.length === 0);
    const counts = { predicted: predicted.length, leashed: leashes.length };
    const batch = rows.length;
    const shape = { batch, columns: past + window, places: places.count, layer, ...counts };
    const { graph, executable } = await searches.get(shape);
    const i32 = (numbers: ArrayLike<number>): Value =>
      valueOf(Int32Array.from(numbers), [numbers.length]);
    const inputs: Record<string, Value> = {
      ...values,
      ...ofPlaces(places, { values, batch, columns, layer, memories }),
      [vectorIo.vectors]: zeros("f32", [batch, config.hiddenSize]),
      [vectorIo.predictedAt]: i32(predicted.map((one) => one.at)),
      [io.labels]: i32(predicted.map(({ label }) => label)),
    };
    if (leashes.length > 0) {
      inputs[vectorIo.leashedAt] = i32(
        leashes.map((r) => places.indexOf(r, rows[r]!.ids.length - 1)),
      );
      const kept = new Float32Array(leashes.length * config.vocabSize);
      inputs[vectorIo.kept] = valueOf(kept, [leashes.length, config.vocabSize]);
      for (const [k, r] of leashes.entries()) {
        const chances = sought.find((one) => one.rows.includes(rows[r]!))!.kept.get(rows[r]!);
        if (chances !== undefined) kept.set(chances, k * config.vocabSize);
      }
    }
    const outputs: Record<string, Value> = {};
    for (const [name, { dtype, shape: of }] of graph.outputs) outputs[name] = zeros(dtype, of);
    const given = { ...inputsOf(graph, above), ...inputsOf(graph, inputs) };
    return new SearchRun(texts, {
      vocabSize: config.vocabSize,
      inputs,
      outputs,
      binding: executable.bind(given, outputs),
      predicted: predicted.map(({ r }) => r),
      leashed: leashes,
    });
  }

  private constructor(
    texts: SearchTexts,
    parts: {
      readonly vocabSize: number;
      readonly inputs: Values;
      readonly outputs: Values;
      readonly binding: Binding;
      readonly predicted: readonly number[];
      readonly leashed: readonly number[];
    },
  ) {
    this.sought = texts.sought;
    this.#texts = texts;
    this.#vocabSize = parts.vocabSize;
    this.#inputs = parts.inputs;
    this.#outputs = parts.outputs;
    this.#binding = parts.binding;
    this.#predicted = parts.predicted;
    this.#leashed = parts.leashed;
  }

  /** Runs with these vectors, one of each edit. The first run, with zeros, shows the leashes what to hold. */
  async run(vectors: readonly Float32Array[]): Promise<Told[]> {
    const { data: into } = this.#inputs[vectorIo.vectors]!;
    const width = vectors[0]!.length;
    let row = 0;
    for (const [e, { rows }] of this.sought.entries())
      for (const _ of rows) (into as Float32Array).set(vectors[e]!, row++ * width);
    await this.#binding.run();
    const nats = new Float64Array(row);
    const losses = this.#outputs[io.loss]!.data as Float32Array;
    for (const [m, r] of this.#predicted.entries()) nats[r] = nats[r]! + losses[m]!;
    this.#hold(nats);
    const gradients = this.#outputs[io.gradient(vectorIo.vectors)]!.data as Float32Array;
    const streams = this.#texts.values[io.stream(this.#texts.layer)]!;
    const perRow = streams.data.length / streams.shape[0]!;
    let from = 0;
    return this.sought.map(({ rows }) => {
      const at = streams.data.subarray(from * perRow, from * perRow + width);
      const told = rows.map((of) => {
        const r = from++;
        const gradient = gradients.slice(r * width, (r + 1) * width);
        return { isLeash: of.predicted.length === 0, nats: nats[r]!, gradient };
      });
      return {
        statements: told.filter(({ isLeash }) => !isLeash),
        leashes: told.filter(({ isLeash }) => isLeash),
        streamLength: Math.hypot(...at),
      };
    });
  }

  dispose(): void {
    this.#binding.dispose();
  }

  /** Sets the divergences of leashes; what one has not seen yet, it holds from now on. */
  #hold(nats: Float64Array): void {
    const owners = this.sought.flatMap((one) => one.rows.map((row) => ({ one, row })));
    for (const [k, r] of this.#leashed.entries()) {
      const { one, row } = owners[r]!;
      const from = k * this.#vocabSize;
      const chances = this.#outputs[io.probs]!.data.subarray(from, from + this.#vocabSize);
      if (one.kept.has(row)) nats[r] = this.#outputs[vectorIo.divergence]!.data[k]!;
      else {
        one.kept.set(row, chances.slice() as Float32Array);
        (this.#inputs[vectorIo.kept]!.data as Float32Array).set(chances, from);
      }
    }
  }
}

/** Inputs of `vectorGraph` whose first axes are rows and places. */
function ofPlaces(
  places: Places,
  {
    values,
    batch,
    columns: { past, window },
    layer,
    memories,
  }: {
    values: Values;
    batch: number;
    columns: Columns;
    layer: number;
    memories: readonly number[];
  },
): Record<string, Value> {
  const { count, bias, mask } = places;
  const inputs: Record<string, Value> = {
    ...places.rotation,
    [vectorIo.bias]: valueOf(bias, [batch, 1, count, past + window + count]),
    [vectorIo.mask]: valueOf(mask, [batch, count, 1]),
  };
  const isStream = (name: string): boolean => name === io.stream(layer);
  for (const name of [io.stream(layer), ...memories.map(io.memory)]) {
    const data = values[name]?.data as Float32Array | undefined;
    if (data === undefined) continue;
    const own = atPlaces(places, { data, batch, window });
    const width = own.length / (batch * count);
    inputs[name] = valueOf(own, isStream(name) ? [batch, count, width] : [batch * count, width]);
  }
  return inputs;
}
