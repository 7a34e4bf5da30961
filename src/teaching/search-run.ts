/**
 * A step of a search as one run of the engine: vectors in, nats of each text and gradients out. Knows arrays and their
 * graph; no rule by which vectors move.
 */
import { type ExecutableCache, inputsOf } from "../inference/index.ts";
import { io, type ModelConfig, rotaryInputs, vectorGraph, vectorIo } from "../model/index.ts";
import { type Binding, type Value, type Values, valueOf, zeros } from "../tensor/index.ts";
import type { SearchTexts, Sought } from "./search-texts.ts";

export type SearchShape = Parameters<typeof vectorGraph>[1];

/** What a run tells of one edit. */
export interface Told {
  /** Nats of each whole completion, in the order of its statements. */
  readonly nats: readonly number[];
  /** Mean divergence over its leashes. */
  readonly divergence: number;
  /** [D], of the mean of `nats` and the leash's part. */
  readonly gradient: Float32Array;
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
  /** Of each row, the edit; of each prediction and each leash, the row. */
  readonly #edits: Int32Array;
  readonly #predicted: readonly number[];
  readonly #leashed: readonly number[];

  /** `above` are the weights of the layers above; `leash` is the weight of the divergences. Dispose it. */
  static async create(
    texts: SearchTexts,
    parts: {
      readonly config: ModelConfig;
      readonly above: Values;
      readonly searches: ExecutableCache<SearchShape>;
      readonly leash: number;
    },
  ): Promise<SearchRun> {
    const { config, above, searches, leash } = parts;
    const { sought, columns, values, layer } = texts;
    const { past, window } = columns;
    const rows = sought.flatMap((one) => one.rows);
    const edits = Int32Array.from(sought.flatMap((one, e) => one.rows.map(() => e)));
    const at = (r: number, position: number): number => r * window + position - rows[r]!.at[0]!;
    const predicted = rows.flatMap((row, r) =>
      row.predicted.map(({ position, label }) => ({ r, at: at(r, position), label })),
    );
    const leashes = [...rows.keys()].filter((r) => rows[r]!.predicted.length === 0);
    /** Each statement, and each leash, of an edit weighs the same. */
    const share = (r: number): number => {
      const isLeash = rows[r]!.predicted.length === 0;
      const own = sought[edits[r]!]!.rows;
      return 1 / own.filter((row) => (row.predicted.length === 0) === isLeash).length;
    };
    const counts = { edits: sought.length, predicted: predicted.length, leashed: leashes.length };
    const shape = { batch: rows.length, past, window, layer, ...counts };
    const { graph, executable } = await searches.get(shape);
    const i32 = (numbers: ArrayLike<number>): Value =>
      valueOf(Int32Array.from(numbers), [numbers.length]);
    const inputs: Record<string, Value> = {
      ...values,
      ...rotaryInputs(config, window, past),
      [vectorIo.edits]: i32(edits),
      [vectorIo.vectors]: zeros("f32", [sought.length, config.hiddenSize]),
      [vectorIo.predictedAt]: i32(predicted.map((one) => one.at)),
      [io.labels]: i32(predicted.map(({ label }) => label)),
      [io.weights]: valueOf(
        Float32Array.from(predicted, ({ r }) => share(r)),
        [predicted.length],
      ),
    };
    if (leashes.length > 0) {
      inputs[vectorIo.leashedAt] = i32(leashes.map((r) => at(r, rows[r]!.ids.length - 1)));
      inputs[vectorIo.leashWeights] = valueOf(
        Float32Array.from(leashes, (r) => leash * share(r)),
        [leashes.length, 1],
      );
      const kept = new Float32Array(leashes.length * config.vocabSize);
      inputs[vectorIo.kept] = valueOf(kept, [leashes.length, config.vocabSize]);
      for (const [k, r] of leashes.entries()) {
        const chances = sought[edits[r]!]!.kept.get(rows[r]!);
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
      edits,
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
      readonly edits: Int32Array;
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
    this.#edits = parts.edits;
    this.#predicted = parts.predicted;
    this.#leashed = parts.leashed;
  }

  /** Runs with these vectors, one of each edit. The first run, with zeros, shows the leashes what to hold. */
  async run(vectors: readonly Float32Array[]): Promise<Told[]> {
    const rows = this.sought.flatMap((one) => one.rows);
    const into = this.#inputs[vectorIo.vectors]!.data as Float32Array;
    for (const [e, vector] of vectors.entries()) into.set(vector, e * vector.length);
    await this.#binding.run();
    const nats = new Float64Array(rows.length);
    const losses = this.#outputs[io.loss]!.data as Float32Array;
    for (const [m, r] of this.#predicted.entries()) nats[r] = nats[r]! + losses[m]!;
    const divergences = this.#hold(rows);
    const gradients = this.#outputs[io.gradient(vectorIo.vectors)]!.data as Float32Array;
    const stream = this.#inputs[io.stream(this.#texts.layer)]!;
    const width = stream.shape[2]!;
    return this.sought.map((one, e) => {
      const first = this.#edits.indexOf(e);
      const ofRow = stream.data.length / rows.length;
      const at = (stream.data as Float32Array).subarray(first * ofRow, first * ofRow + width);
      return {
        nats: one.rows.flatMap((row, i) => (row.predicted.length > 0 ? nats[first + i]! : [])),
        divergence: divergences[e]!,
        gradient: gradients.subarray(e * width, (e + 1) * width),
        streamLength: Math.hypot(...at),
      };
    });
  }

  dispose(): void {
    this.#binding.dispose();
  }

  /** Mean divergence of each edit; what a leash has not seen yet, it holds from now on. */
  #hold(rows: readonly Sought["rows"][number][]): Float64Array {
    const divergences = new Float64Array(this.sought.length);
    for (const [k, r] of this.#leashed.entries()) {
      const one = this.sought[this.#edits[r]!]!;
      const from = k * this.#vocabSize;
      const chances = this.#outputs[io.probs]!.data.subarray(from, from + this.#vocabSize);
      if (!one.kept.has(rows[r]!)) {
        one.kept.set(rows[r]!, chances.slice() as Float32Array);
        (this.#inputs[vectorIo.kept]!.data as Float32Array).set(chances, from);
      } else {
        const count = one.rows.filter((row) => row.predicted.length === 0).length;
        divergences[this.#edits[r]!]! += this.#outputs[vectorIo.divergence]!.data[k]! / count;
      }
    }
    return divergences;
  }
}
