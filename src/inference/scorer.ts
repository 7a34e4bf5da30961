/**
 * How well a model predicts given ids under one view: the negative log-likelihood of each token over the full
 * softmax, in fixed windows of a packed stream. Knows ids and nats; not text, bytes or tasks.
 */
import { DisposalStack } from "../disposal-stack.ts";
import { NonFiniteError } from "../errors.ts";
import type {
  Addresses,
  Distributions,
  LookUp,
  MemoryReader,
  TaughtNext,
} from "../memory/memory.ts";
import { evalGraph, type EvalShape, io, rotaryInputs } from "../model/index.ts";
import { type Binding, type Value, zeros } from "../tensor/index.ts";
import { Decoder } from "./decoder.ts";
import { type CompiledGraph, inputsOf, type LanguageModel } from "./language-model.ts";
import { mixedLoss, mixProbs, weightsUnder } from "./mixture.ts";
import { fillOverlays, layersWritten } from "./overlays.ts";
import { mixTaught, taughtLoss } from "./taught-losses.ts";
import { controlsOf, setControls, type View, viewOf } from "./view.ts";
import { type Batch, emptyBatch, fillWindow, spansOf, type TokenStream } from "./windows.ts";
import { windowStarts } from "./window-starts.ts";

export interface Score {
  /** Sum of -ln p over the scored tokens. */
  readonly nats: number;
  readonly numTokens: number;
  /** Mean gate of each Engram layer over the positions whose next token was scored; empty if none was. */
  readonly gates: ReadonlyMap<number, number>;
  /** Mean weight of the backbone and of each distribution of the memory [1+K] over them; empty if it has none. */
  readonly mixture: readonly number[];
}

export interface ScoreOptions {
  /**
   * Tokens from one window to the next. Each scored token has at least window - stride tokens of context, if its
   * document is that long. Default: half a window.
   */
  readonly stride?: number;
  /** Score at most about this many tokens, spread evenly over the stream. Default: all. */
  readonly maxTokens?: number;
  readonly onProgress?: (done: number, total: number) => void;
  /** Called for each scored token with its position in the stream, its nats, and the start of its window. */
  readonly onToken?: (at: number, nats: number, windowStart: number) => void;
  readonly signal?: AbortSignal;
}

/** A scored token: its index in the batch, and the positions of it and of its window in the stream. */
export interface ScoredToken {
  readonly at: number;
  readonly label: number;
  readonly windowStart: number;
}

/** A batch of windows after its run. Numbers are valid until the next is asked for. */
export interface ScoredBatch {
  readonly tokens: readonly ScoredToken[];
  /** -ln p of the next token at each position [B*T] of the batch. */
  readonly losses: Float32Array;
  /** Gate at each position [B*T] by Engram layer. */
  readonly gates: ReadonlyMap<number, Float32Array>;
  /** Weights of the backbone and of the memory's distributions [B*T,1+K]; absent if these have no say. */
  readonly mixture: Float32Array | undefined;
}

export interface ScorerOptions {
  /** Windows at a time. Default 8. */
  readonly batch?: number;
  /** Tokens of a window. Default: the model's context. */
  readonly length?: number;
  /** Whether `Scorer.probs` is filled. Default false. */
  readonly probs?: boolean;
  /** Whether `Scorer.hidden` is filled. Default false. */
  readonly hidden?: boolean;
  /** Default: the model's memory as it was trained. */
  readonly view?: Partial<View>;
}

export class Scorer {
  readonly #model: LanguageModel;
  #reader: MemoryReader | undefined;
  readonly #view: View;
  readonly #batch: Batch;
  readonly #inputs: Record<string, Value>;
  readonly #outputs: Record<string, Value>;
  readonly #bound = new Map<string, Promise<Binding>>();
  readonly #opened = new DisposalStack();
  /** Probabilities of all tokens at each position, [B*T,V], with the option `probs`. */
  readonly probs: Value | undefined;
  /** Hidden states behind the final norm at each position, [B*T,D], with the option `hidden`. */
  readonly hidden: Value | undefined;

  private constructor(
    model: LanguageModel,
    compiled: CompiledGraph,
    { batch, length, view }: Required<Pick<ScorerOptions, "batch" | "length">> & { view: View },
  ) {
    this.#model = model;
    this.#view = view;
    this.#reader = view.memory?.reader();
    this.#batch = emptyBatch(batch, length);
    const { graph } = compiled;
    const { ids, labels, segments } = this.#batch;
    const inputs: Record<string, Value> = { ...inputsOf(graph, model.params) };
    for (const [name, { dtype, shape }] of graph.inputs) inputs[name] ??= zeros(dtype, shape);
    inputs[io.ids] = { ...inputs[io.ids]!, data: ids };
    inputs[io.labels] = { ...inputs[io.labels]!, data: labels };
    inputs[io.segments] = { ...inputs[io.segments]!, data: segments };
    Object.assign(inputs, rotaryInputs(model.config, length));
    setControls(inputs, view, { from: 0, to: batch, layers: this.#layers });
    const outputs: Record<string, Value> = {};
    for (const [name, { dtype, shape }] of graph.outputs) outputs[name] = zeros(dtype, shape);
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.probs = outputs[io.probs];
    this.hidden = outputs[io.hidden];
    this.#bound.set("", Promise.resolve(this.#bind(compiled)));
  }

  static async create(
    model: LanguageModel,
    {
      batch = 8,
      length = model.config.maxPositions,
      probs = false,
      hidden = false,
      view,
    }: ScorerOptions = {},
  ): Promise<Scorer> {
    const whole = viewOf(model, view);
    const shape = { batch, length, probs, hidden, ...controlsOf([whole]) };
    const compiled = await compile(model, shape);
    return new Scorer(model, compiled, { batch, length, view: whole });
  }

  #bind({ graph, executable }: CompiledGraph): Binding {
    this.#opened.adopt(executable, (one) => one.dispose());
    const binding = executable.bind(inputsOf(graph, this.#inputs), this.#outputs);
    return this.#opened.adopt(binding, (one) => one.dispose());
  }

  /** The graph with an input for what is written before each of these layers; compiled when it is first needed. */
  #boundWith(overlays: readonly number[]): Promise<Binding> {
    const key = overlays.join(" ");
    let bound = this.#bound.get(key);
    if (bound === undefined) {
      const { batch, length } = this.#batch;
      for (const layer of overlays)
        this.#inputs[io.overlay(layer)] ??= zeros("f32", [
          batch,
          length,
          this.#model.config.hiddenSize,
        ]);
      const asked = { probs: this.probs !== undefined, hidden: this.hidden !== undefined };
      const shape = { batch, length, ...asked, overlays, ...controlsOf([this.#view]) };
      bound = compile(this.#model, shape).then((compiled) => this.#bind(compiled));
      this.#bound.set(key, bound);
      bound.catch(() => this.#bound.delete(key));
    }
    return bound;
  }

  /** Scores every token of the stream but the end-of-text tokens between documents. */
  async score(stream: TokenStream, options: ScoreOptions = {}): Promise<Score> {
    let nats = 0;
    let numTokens = 0;
    const gateSums = new Map(this.#layers.map((layer) => [layer, 0]));
    const mixtureSums: number[] = [];
    for await (const { tokens, losses, gates, mixture } of this.batches(stream, options)) {
      numTokens += tokens.length;
      for (const { at, label, windowStart } of tokens) {
        nats += losses[at]!;
        options.onToken?.(label, losses[at]!, windowStart);
        for (const [layer, sum] of gateSums) gateSums.set(layer, sum + gates.get(layer)![at]!);
        if (mixture === undefined) continue;
        const width = mixture.length / losses.length;
        for (let i = 0; i < width; i++)
          mixtureSums[i] = (mixtureSums[i] ?? 0) + mixture[at * width + i]!;
      }
    }
    const means =
      numTokens === 0 ? [] : [...gateSums].map(([n, sum]) => [n, sum / numTokens] as const);
    const mixture = mixtureSums.map((sum) => sum / numTokens);
    return { nats, numTokens, gates: new Map(means), mixture };
  }

  /** The runs of `score`, one after another. */
  async *batches(
    stream: TokenStream,
    options: Omit<ScoreOptions, "onToken"> = {},
  ): AsyncGenerator<ScoredBatch> {
    const { batch, length } = this.#batch;
    const { stride = Math.max(1, length >>> 1), maxTokens, onProgress, signal } = options;
    const windows = windowStarts(stream.tokens.length, {
      length,
      stride,
      ...(maxTokens !== undefined && { maxTokens }),
    });
    const isStart = new Uint8Array(stream.tokens.length + 1);
    for (const start of stream.starts) isStart[start] = 1;
    const documentStart = (label: number): number => {
      let start = label - 1;
      while (start > Math.max(0, label - length) && isStart[start] === 0) start--;
      return start;
    };
    for (let at = 0; at < windows.length; at += batch) {
      signal?.throwIfAborted();
      const group = windows.slice(at, at + batch);
      for (let row = 0; row < batch; row++)
        fillWindow(stream, (group[row] ?? group[0]!).start, this.#batch, row);
      const { losses, mixture } = await this.#run();
      const gates = new Map(
        this.#layers.map((n) => [n, this.#outputs[io.gate(n)]!.data as Float32Array]),
      );
      const tokens: ScoredToken[] = [];
      for (const [row, { start, from }] of group.entries())
        for (let t = from; t < length; t++) {
          const label = start + t + 1;
          if (label >= stream.tokens.length || isStart[label] === 1) continue;
          const place = row * length + t;
          if (!Number.isFinite(losses[place]))
            throw new NonFiniteError(
              `the loss of token ${label} is ${losses[place]}: ` +
                (await this.#overflowIn(stream.tokens.subarray(documentStart(label), label))),
            );
          tokens.push({ at: place, label, windowStart: start });
        }
      yield { tokens, losses, gates, mixture };
      onProgress?.(Math.min(at + batch, windows.length), windows.length);
    }
  }

  /** Where numbers overflow in a text. A session reads it again, because a session looks into every layer. */
  async #overflowIn(ids: ArrayLike<number>): Promise<string> {
    await using decoder = new Decoder(this.#model);
    try {
      await decoder.createSession({ view: this.#view }).append(Array.from(ids));
    } catch (error) {
      if (error instanceof NonFiniteError) return error.message;
      throw error;
    }
    return (
      "numbers overflowed, in no layer when the text was read alone; the weights are too large to compute with, " +
      "as training that diverged leaves them"
    );
  }

  get #layers(): readonly number[] {
    return this.#model.config.engram?.layerIds ?? [];
  }

  async #run(): Promise<Pick<ScoredBatch, "losses" | "mixture">> {
    const losses = this.#outputs[io.loss]!.data as Float32Array;
    let lookUp: LookUp | undefined;
    let addressed: Addresses | undefined;
    if (this.#reader !== undefined) {
      const vectors = this.#view.memory!.inputs.map(
        ({ layerId }) => [layerId, this.#inputs[io.memory(layerId)]!.data as Float32Array] as const,
      );
      const at = this.#reader.address(spansOf(this.#batch));
      addressed = at;
      lookUp = this.#reader.lookUp(at, new Map(vectors));
      await lookUp.all();
    }
    const written = addressed === undefined ? [] : [{ at: addressed, first: 0 }];
    const binding = await this.#boundWith(layersWritten(written));
    fillOverlays(this.#inputs, written);
    await binding.run();
    const mixture =
      lookUp?.distributions === undefined || this.#view.scale === 0
        ? undefined
        : this.#mix(losses, lookUp.distributions);
    for (const next of addressed?.taught ?? []) this.#mixTaught(losses, next);
    return { losses, mixture };
  }

  #mixTaught(losses: Float32Array, next: TaughtNext): void {
    const { position } = next;
    losses[position] = taughtLoss(losses[position]!, this.#batch.labels[position]!, next);
    const ofIds = this.#probsAt(position);
    if (ofIds !== undefined) mixTaught(ofIds, next);
  }

  /** Chances [V] at a position of the batch, if they were asked for. */
  #probsAt(position: number): Float32Array | undefined {
    const { vocabSize } = this.#model.config;
    const probs = this.probs?.data as Float32Array | undefined;
    return probs?.subarray(position * vocabSize, (position + 1) * vocabSize);
  }

  /** Mixes what the memory itself says into losses [B*T] and chances [B*T,V], with the weights [B*T,1+K] that it returns. */
  #mix(losses: Float32Array, of: Distributions): Float32Array {
    const width = of.count + 1;
    const weights = weightsUnder(
      this.#outputs[io.mixture]!.data as Float32Array,
      width,
      this.#view,
    );
    const chances = new Float32Array(of.count);
    for (const [position, label] of this.#batch.labels.entries()) {
      const ofPosition = weights.subarray(position * width, (position + 1) * width);
      of.chances(position, label, chances);
      losses[position] = mixedLoss(losses[position]!, ofPosition, chances);
      const ofIds = this.#probsAt(position);
      if (ofIds !== undefined) mixProbs(ofIds, ofPosition, { of, position });
    }
    return weights;
  }

  /** Leaves no trace of what was scored. Nothing runs meanwhile. */
  wipe(): void {
    const { ids, labels, segments, starts } = this.#batch;
    for (const numbers of [ids, labels, segments, starts]) numbers.fill(0);
    for (const { data } of Object.values(this.#outputs)) data.fill(0);
    const { numLayers } = this.#model.config;
    for (let layer = 0; layer <= numLayers; layer++)
      for (const name of [io.memory(layer), io.overlay(layer)]) this.#inputs[name]?.data.fill(0);
    // With what it has read into.
    this.#reader = this.#view.memory?.reader();
  }

  async dispose(): Promise<void> {
    await Promise.allSettled(this.#bound.values());
    await this.#opened[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

async function compile(
  { backend, config, quantized, rowBlock }: LanguageModel,
  shape: EvalShape,
): Promise<CompiledGraph> {
  const graph = evalGraph(config, { ...shape, quantized, rowBlock });
  return { graph, executable: await backend.compile(graph) };
}
