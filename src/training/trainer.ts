/**
 * The training loop, one step at a time, readable from top to bottom:
 *
 *   batch of ids -> row ids -> memory vectors --> [ train graph ] --> gradients of weights -> optimizer
 *                                                                 \-> gradients of memory  -> row optimizer
 *
 * The graph never sees a table, and the tables never see the graph. Knows ids, arrays and one backend;
 * not text, files or how progress is shown.
 */
import { DisposalStack } from "../disposal-stack.ts";
import { InvalidConfigError, NonFiniteError } from "../errors.ts";
import {
  type Batch,
  emptyBatch,
  type LanguageModel,
  spansOf,
  type TokenStream,
} from "../inference/index.ts";
import type { Addresses, MemoryInput, TrainableMemory, TrainableReader } from "../memory/memory.ts";
import { firstNonFinite, Random } from "../numerics/index.ts";
import { io, type ParamLayout, paramViews, rotaryInputs, trainGraph } from "../model/index.ts";
import { type Binding, type Executable, type Value, valueOf, zeros } from "../tensor/index.ts";
import { fillBatch, WindowOrder } from "./dataset.ts";
import {
  type DenseOptimizer,
  denseOptimizers,
  type FlatArrays,
  globalNorm,
  type UpdateStep,
} from "./optimizer.ts";
import type { TrainingRecipe } from "./presets.ts";
import { learningRate, memoryOffShare } from "./schedule.ts";

/** What training changes beside the memory: the weights that are trained and their optimizer state in flat arrays. */
export interface TrainingState {
  readonly layout: ParamLayout;
  readonly arrays: FlatArrays;
  /** Steps done. */
  step: number;
}

/** Its weights that are trained are views of `TrainingState.arrays.params`; the others stay as they are. */
export type TrainableModel = LanguageModel<TrainableMemory>;

export interface StepReport {
  /** Steps done, this one included. */
  readonly step: number;
  /** Mean nats a token. */
  readonly loss: number;
  readonly lr: number;
  /** Length of the backbone's gradient before clipping. */
  readonly gradientNorm: number;
  /** Mean gate of each Engram layer over the sequences whose memory is on; none where it is on in no sequence. */
  readonly gates: Readonly<Record<string, number>>;
  readonly numTokens: number;
}

export interface TrainerOptions {
  readonly recipe: TrainingRecipe;
  readonly stream: TokenStream;
  readonly seed: number;
}

/** Arrays for `layout`, all zero but the given weights. */
export function flatArrays(layout: ParamLayout, params: Float32Array): FlatArrays {
  const make = (): Float32Array => new Float32Array(layout.length);
  return { params, gradients: make(), m: make(), v: make() };
}

/** The batch of one step with everything that depends on its ids alone. */
interface Prepared {
  readonly batch: Batch;
  /** Sequences of the batch that are trained with the memory off. */
  readonly memoryOff: ReadonlySet<number>;
  /** Undefined without a memory. */
  readonly at: Addresses | undefined;
}

/** What the engine reads and writes in one step. All passes of a step lie one behind the other in the
 *  same arrays, so rows are read, and their gradients summed, once a step. */
interface StepArrays {
  readonly batch: Batch;
  /** [positions, E] by Engram layer. */
  readonly memory: ReadonlyMap<number, Float32Array>;
  readonly memoryGradients: ReadonlyMap<number, Float32Array>;
  /** Chances of the labels under each of the memory's distributions, [positions, K]. */
  readonly chances: Float32Array;
}

export class Trainer {
  readonly #model: TrainableModel;
  readonly #state: TrainingState;
  readonly #recipe: TrainingRecipe;
  readonly #stream: TokenStream;
  readonly #seed: number;
  readonly #order: WindowOrder;
  readonly #reader: TrainableReader | undefined;
  readonly #executable: Executable;
  readonly #arrays: StepArrays;
  /** One binding a pass of the step. */
  readonly #passes: readonly Binding[];
  readonly #outputs: Readonly<Record<string, Value>>;
  readonly #optimizers: readonly DenseOptimizer[];
  /** Where the passes of a step sum their gradients; the engine's own output if there is one pass. */
  readonly #gradients: Float32Array;
  #next: Prepared | undefined;
  #owned = new DisposalStack();

  /** Use `Trainer.create`. */
  private constructor(
    model: TrainableModel,
    state: TrainingState,
    options: TrainerOptions & {
      readonly executable: Executable;
      readonly optimizers: readonly DenseOptimizer[];
      readonly gradients: Float32Array;
    },
  ) {
    const { recipe, stream, seed, executable } = options;
    this.#model = model;
    this.#state = state;
    this.#recipe = recipe;
    this.#stream = stream;
    this.#seed = seed;
    this.#order = new WindowOrder(stream, { length: recipe.length, seed });
    this.#reader = model.memory?.trainingReader();
    this.#executable = executable;
    this.#optimizers = options.optimizers;
    this.#gradients = options.gradients;
    const { batch, length, accumulate } = recipe;
    const positions = batch * length * accumulate;
    const vectors = (inputs = this.#inputs): Map<number, Float32Array> =>
      new Map(inputs.map(({ layerId, width }) => [layerId, new Float32Array(positions * width)]));
    const learned = this.#inputs.filter(({ layerId }) => this.#layers.includes(layerId));
    this.#arrays = {
      batch: emptyBatch(batch * accumulate, length),
      memory: vectors(),
      memoryGradients: vectors(learned),
      chances: new Float32Array(positions * (model.memory?.numDistributions ?? 0)),
    };
    this.#outputs = this.#outputValues();
    this.#passes = Array.from({ length: accumulate }, (_, pass) => this.#bind(pass));
  }

  static async create(
    model: TrainableModel,
    state: TrainingState,
    options: TrainerOptions,
  ): Promise<Trainer> {
    const { recipe } = options;
    const { layout, arrays } = state;
    if (model.quantized !== undefined && model.quantized.size > 0)
      throw new InvalidConfigError(
        "packed weights cannot be trained: train the model that they were made from, then quantise the result",
      );
    await using opened = new DisposalStack();
    const executable = await model.backend.compile(trainGraph(model.config, recipe, layout.specs));
    opened.adopt(executable, (one) => one.dispose());
    const gradients = recipe.accumulate > 1 ? new Float32Array(layout.length) : arrays.gradients;
    const optimizers = await denseOptimizers(
      model.backend,
      { ...arrays, gradients },
      { layout, matrices: recipe.matrices, decay: recipe.weightDecay },
    );
    for (const optimizer of optimizers) opened.adopt(optimizer, (one) => one.dispose());
    const trainer = new Trainer(model, state, { ...options, executable, optimizers, gradients });
    trainer.#owned = opened.move();
    return trainer;
  }

  /** One update of weights and rows. If it rejects, weights may be half updated: resume from the last
   *  checkpoint. */
  async step(): Promise<StepReport> {
    const { clip, tableLrFactor, batch, length, accumulate } = this.#recipe;
    const { step } = this.#state;
    const lr = learningRate(
      {
        peak: this.#recipe.lr,
        warmupSteps: this.#recipe.warmupSteps,
        totalSteps: this.#recipe.steps,
      },
      step,
    );
    const prepared = this.#next ?? this.#prepare(step);
    this.#next = undefined;
    await this.#load(prepared);
    let loss = 0;
    const { memoryOff } = prepared;
    const numOn = batch * accumulate - memoryOff.size;
    const gates: Record<string, number> = {};
    for (const [pass, binding] of this.#passes.entries()) {
      const run = binding.run();
      // Addresses depend on ids alone: the next step's are computed, and its rows fetched where that takes
      // time, while the engine is busy.
      if (pass === 0 && step + 1 < this.#recipe.steps) {
        this.#next = this.#prepare(step + 1);
        if (this.#next.at !== undefined) this.#reader!.hint(this.#next.at);
      }
      await run;
      loss += this.#outputs[io.loss]!.data[0]!;
      for (const layer of this.#layers)
        for (const [row, gate] of this.#outputs[io.gate(layer)]!.data.entries())
          if (!memoryOff.has(pass * batch + row)) gates[layer] = (gates[layer] ?? 0) + gate / numOn;
      if (this.#gradients !== this.#state.arrays.gradients)
        accumulateInto(this.#gradients, this.#state.arrays.gradients, pass === 0);
    }
    // What a sequence without memory would have liked to read there is no reason to move a row.
    for (const gradients of this.#arrays.memoryGradients.values())
      this.#clear(gradients, memoryOff);
    const gradientNorm = globalNorm(this.#gradients);
    const overflowed = [...this.#arrays.memoryGradients]
      .filter(([, gradients]) => firstNonFinite(gradients) !== -1)
      .map(([layer]) => layer);
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm) || overflowed.length > 0)
      throw new NonFiniteError(
        `step ${step}: the loss is ${loss} and its gradient ${gradientNorm} long` +
          `${overflowed.map((layer) => `, that of layer ${layer}'s rows not finite`).join("")}; begin again, ` +
          `into another --out, with a lower --lr (it was ${this.#recipe.lr}) or a shorter gradient (--set clip=…, it was ${clip})`,
      );
    const dense = this.#updateWeights({ step, lr, clip: Math.min(1, clip / gradientNorm) });
    // Rows are updated by this thread while the engine updates the weights.
    const by = { lr: lr * tableLrFactor, step };
    const memory = this.#reader?.update(this.#arrays.memoryGradients, by);
    // If one fails, the other is still under way, and must not be when the caller disposes of the trainer.
    for (const done of await Promise.allSettled([memory, dense]))
      if (done.status === "rejected") throw done.reason;
    this.#state.step = step + 1;
    return {
      step: step + 1,
      loss,
      lr,
      gradientNorm,
      gates,
      numTokens: batch * length * accumulate,
    };
  }

  async dispose(): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }

  #prepare(step: number): Prepared {
    const { batch: rows, length, accumulate } = this.#recipe;
    const batch = emptyBatch(rows * accumulate, length);
    fillBatch(this.#stream, this.#order, { index: step * batch.batch, batch });
    if (this.#reader === undefined) return { batch, memoryOff: new Set(), at: undefined };
    const share = memoryOffShare(this.#recipe.memoryFadeIn, step / this.#recipe.steps);
    const random = Random.fromSeed(this.#seed, `memory off ${step}`);
    return {
      batch,
      memoryOff: new Set(
        Array.from({ length: batch.batch }, (_, row) => row).filter(() => random.uniform() < share),
      ),
      at: this.#reader.address(spansOf(batch)),
    };
  }

  /** Puts a prepared step where the engine reads it, rows included. */
  async #load({ batch, memoryOff, at }: Prepared): Promise<void> {
    const bound = this.#arrays.batch;
    const { labels } = batch;
    bound.ids.set(batch.ids);
    bound.labels.set(labels);
    bound.segments.set(batch.segments);
    bound.weights.set(batch.weights);
    if (at === undefined) return;
    const lookUp = this.#reader!.lookUp(at, this.#arrays.memory);
    await lookUp.all();
    for (const layer of this.#layers) this.#clear(this.#arrays.memory.get(layer)!, memoryOff);
    const { distributions } = lookUp;
    if (distributions === undefined) return;
    const { chances } = this.#arrays;
    for (const [position, label] of labels.entries())
      distributions.chances(
        position,
        label,
        chances.subarray(position * distributions.count, (position + 1) * distributions.count),
      );
  }

  /** Sets the vectors of whole sequences to zero: a zero vector adds nothing to the stream. */
  #clear(memory_PE: Float32Array, sequences: Iterable<number>): void {
    const length = memory_PE.length / this.#arrays.batch.batch;
    for (const row of sequences) memory_PE.fill(0, row * length, (row + 1) * length);
  }

  async #updateWeights(update: UpdateStep): Promise<void> {
    for (const optimizer of this.#optimizers) await optimizer.update(update);
  }

  get #inputs(): readonly MemoryInput[] {
    return this.#model.memory?.inputs ?? [];
  }

  /** Those whose vectors are learned, behind a gate. */
  get #layers(): readonly number[] {
    return this.#model.config.engram?.layerIds ?? [];
  }

  #outputValues(): Record<string, Value> {
    const { layout, arrays } = this.#state;
    const outputs: Record<string, Value> = { [io.loss]: zeros("f32", [1]) };
    for (const layer of this.#layers) outputs[io.gate(layer)] = zeros("f32", [this.#recipe.batch]);
    for (const [name, view] of Object.entries(paramViews(layout, arrays.gradients)))
      outputs[io.gradient(name)] = view;
    return outputs;
  }

  #bind(pass: number): Binding {
    const { batch, length } = this.#recipe;
    const { config, params } = this.#model;
    const { batch: all, memory, memoryGradients, chances } = this.#arrays;
    const positions = batch * length;
    const part = <T extends Float32Array | Int32Array>(data: T): T =>
      data.subarray(
        (pass * data.length) / this.#recipe.accumulate,
        ((pass + 1) * data.length) / this.#recipe.accumulate,
      ) as T;
    const inputs: Record<string, Value> = {
      ...params,
      [io.ids]: valueOf(part(all.ids), [batch, length]),
      [io.labels]: valueOf(part(all.labels), [positions]),
      [io.segments]: valueOf(part(all.segments), [batch, length]),
      [io.weights]: valueOf(part(all.weights), [positions]),
      ...rotaryInputs(config, length),
    };
    const outputs: Record<string, Value> = { ...this.#outputs };
    for (const { layerId, width } of this.#inputs) {
      const shape = [positions, width];
      const name = io.memory(layerId);
      inputs[name] = valueOf(part(memory.get(layerId)!), shape);
      const gradients = memoryGradients.get(layerId);
      if (gradients !== undefined) outputs[io.gradient(name)] = valueOf(part(gradients), shape);
    }
    const numDistributions = this.#model.memory?.numDistributions ?? 0;
    if (numDistributions > 0)
      inputs[io.chances] = valueOf(part(chances), [positions, numDistributions]);
    return this.#executable.bind(inputs, outputs);
  }
}

function accumulateInto(sum: Float32Array, part: Float32Array, isFirst: boolean): void {
  if (isFirst) sum.set(part);
  else for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + part[i]!;
}
