/**
 * One mutable timeline: the token ids so far, the key-value cache and look-back that belong to them,
 * and the logits they lead to. Any split of the same ids into appends gives the same logits, up to the
 * rounding of sums. Knows ids and numbers; not text, sampling, stop rules or requests.
 *
 * State is only what the ids determine, so rewinding is forgetting and forking is copying. Cache
 * positions at or beyond `length` hold leftovers that the next append overwrites before reading.
 */
import { RequestError } from "../errors.ts";
import { addressTail, compressIds, Lookback, memoryWidth, Retrieval } from "../memory/index.ts";
import { convHistory, decodeGraph, io, ropeAngles } from "../model/index.ts";
import { type Binding, type Value, type Values, zeros } from "../tensor/index.ts";
import { checkTokenIds, ExecutableCache, inputsOf, type LanguageModel } from "./language-model.ts";

type DecodeExecutables = ExecutableCache<{ length: number; logits: "last" | "all" }>;

/** Runs `LanguageModel`s step by step: compiled graphs, shared by all sessions of a model. */
export class Decoder {
  readonly model: LanguageModel;
  readonly #executables: DecodeExecutables;

  constructor(model: LanguageModel) {
    this.model = model;
    this.#executables = new ExecutableCache(model.backend, (shape) =>
      decodeGraph(model.config, { batch: 1, capacity: model.config.maxPositions, ...shape }),
    );
  }

  createSession(): Session {
    return new Session(this, this.#executables);
  }

  async dispose(): Promise<void> {
    await this.#executables.dispose();
  }
}

interface Step {
  readonly binding: Binding;
  readonly inputs: Values;
  readonly outputs: Values;
}

/** Prompts are cut into pieces of these lengths; more of them would only mean more compiling. */
const smallestPiece = 8;

/** See the head of this file. Made by `Model.createSession`; dispose it to give its caches back. */
export class Session {
  readonly #decoder: Decoder;
  readonly #executables: DecodeExecutables;
  readonly #ids: number[] = [];
  readonly #retrieval: Retrieval;
  #lookback = new Lookback();
  readonly #caches: Record<string, Value> = {};
  /** Inputs of each short convolution at every position, behind `history` rows of zeros. */
  readonly #conv = new Map<number, Float32Array>();
  readonly #steps = new Map<string, Promise<Step>>();
  #gates: ReadonlyMap<number, Float32Array> = new Map();
  #busy = false;
  #disposed = false;

  /** Use `Decoder.createSession`. */
  constructor(decoder: Decoder, executables: DecodeExecutables) {
    this.#decoder = decoder;
    this.#executables = executables;
    const { config, memory } = decoder.model;
    this.#retrieval = new Retrieval(memory?.tables ?? []);
    const shape = [1, config.numKvHeads, config.maxPositions, config.headDim];
    for (let layer = 0; layer < config.numLayers; layer++) {
      this.#caches[io.keys(layer)] = zeros("f32", shape);
      this.#caches[io.values(layer)] = zeros("f32", shape);
    }
    const history = convHistory(config);
    if (history > 0)
      for (const layer of config.engram!.layerIds)
        this.#conv.set(
          layer,
          new Float32Array((history + config.maxPositions) * config.hiddenSize),
        );
  }

  get length(): number {
    return this.#ids.length;
  }

  get ids(): readonly number[] {
    return this.#ids;
  }

  /** Tokens that still fit. */
  get remaining(): number {
    return this.#decoder.model.config.maxPositions - this.#ids.length;
  }

  /** Gates of the ids of the last append, one value a token, by Engram layer. */
  get gates(): ReadonlyMap<number, Float32Array> {
    return this.#gates;
  }

  /** Appends ids; resolves to the logits [V] after the last. If it rejects, nothing was appended. */
  async append(ids: ArrayLike<number>): Promise<Float32Array> {
    return this.#append(ids, "last");
  }

  /** As `append`, with the logits after every appended id: [ids.length * V]. */
  async appendAll(ids: ArrayLike<number>): Promise<Float32Array> {
    return this.#append(ids, "all");
  }

  /** Forgets everything from position `length` on. */
  rewind(length: number): void {
    this.#check();
    if (!Number.isInteger(length) || length < 0 || length > this.#ids.length)
      throw new RequestError(
        `a session of ${this.#ids.length} tokens can be rewound to 0..${this.#ids.length}, not to ${length}`,
      );
    this.#ids.length = length;
    if (this.#decoder.model.memory !== undefined) this.#lookback.rewind(length);
  }

  /** An independent session with the same past. */
  fork(): Session {
    this.#check();
    const copy = this.#decoder.createSession();
    copy.#ids.push(...this.#ids);
    copy.#lookback = this.#lookback.fork();
    for (const [name, value] of Object.entries(this.#caches))
      (copy.#caches[name]!.data as Float32Array).set(value.data as Float32Array);
    for (const [layer, history] of this.#conv) copy.#conv.get(layer)!.set(history);
    return copy;
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const step of this.#steps.values()) (await step).binding.dispose();
    this.#steps.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #check(): void {
    if (this.#disposed) throw new RequestError("this session is disposed; create another");
    if (this.#busy) throw new RequestError("this session is still appending; await that first");
  }

  async #append(ids: ArrayLike<number>, logits: "last" | "all"): Promise<Float32Array> {
    this.#check();
    const { config } = this.#decoder.model;
    checkTokenIds(ids, config.vocabSize);
    if (ids.length === 0) throw new RequestError("append needs at least one token id");
    if (ids.length > this.remaining)
      throw new RequestError(
        `${this.length} + ${ids.length} tokens exceed the model's context of ${config.maxPositions}; ` +
          "shorten the text",
      );
    const before = this.length;
    const gates = new Map<number, Float32Array>(
      (config.engram?.layerIds ?? []).map((layer) => [layer, new Float32Array(ids.length)]),
    );
    const all = new Float32Array(logits === "all" ? ids.length * config.vocabSize : 0);
    this.#busy = true;
    try {
      let last: Float32Array | undefined;
      for (let at = 0; at < ids.length;) {
        const length = this.#pieceLength(ids.length - at);
        const count = Math.min(length, ids.length - at);
        const piece = Array.from({ length: count }, (_, i) => ids[at + i]!);
        const step = await this.#step(length, logits);
        await this.#runPiece(step, piece);
        for (const [layer, values] of gates)
          values.set((step.outputs[io.gate(layer)]!.data as Float32Array).subarray(0, count), at);
        last = step.outputs[io.logits]!.data as Float32Array;
        if (logits === "all")
          all.set(last.subarray(0, count * config.vocabSize), at * config.vocabSize);
        at += count;
      }
      this.#gates = gates;
      return logits === "all" ? all : last!.slice();
    } catch (error) {
      this.#ids.length = before;
      if (this.#lookback.length > before) this.#lookback.rewind(before);
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  /**
   * Length of the graph for the next piece of `left` tokens: the next power of two, its unused end
   * padded, or near the end of the cache the largest that fits.
   */
  #pieceLength(left: number): number {
    if (left === 1) return 1;
    const room = this.remaining;
    let length = smallestPiece;
    while (length < left) length *= 2;
    while (length > room) length = length > smallestPiece ? length / 2 : 1;
    return length;
  }

  async #step(length: number, logits: "last" | "all"): Promise<Step> {
    const key = `${length} ${logits}`;
    let step = this.#steps.get(key);
    if (step === undefined) {
      step = this.#bind(length, logits);
      this.#steps.set(key, step);
      // A failed compile must not be what every later append is told.
      step.catch(() => this.#steps.delete(key));
    }
    return step;
  }

  async #bind(length: number, logits: "last" | "all"): Promise<Step> {
    const { graph, executable } = await this.#executables.get({ length, logits });
    const inputs: Record<string, Value> = {
      ...inputsOf(graph, this.#decoder.model.params),
      ...this.#caches,
    };
    for (const [name, type] of graph.inputs) inputs[name] ??= zeros(type.dtype, type.shape);
    const outputs: Record<string, Value> = {};
    for (const [name, type] of graph.outputs) outputs[name] = zeros(type.dtype, type.shape);
    for (const [name, cache] of Object.entries(this.#caches)) outputs[io.next(name)] = cache;
    return { binding: executable.bind(inputs, outputs), inputs, outputs };
  }

  async #runPiece({ binding, inputs, outputs }: Step, ids: readonly number[]): Promise<void> {
    const { config, memory } = this.#decoder.model;
    const start = this.length;
    const data = (name: string): Float32Array => inputs[name]!.data as Float32Array;
    if (memory !== undefined) {
      const { addressing, tokenMap } = memory;
      this.#lookback.append(compressIds(tokenMap, ids));
      const rows = addressTail(addressing, this.#lookback, { from: start });
      const width = memoryWidth(config.engram!);
      await this.#retrieval.retrieveAll(
        config.engram!.layerIds.map((layerId, i) => ({
          layerId,
          rows: rows[i]!,
          memory_PE: data(io.memory(layerId)).subarray(0, ids.length * width),
        })),
      );
    }
    const into = inputs[io.ids]!.data;
    into.fill(0);
    into.set(ids);
    inputs[io.past]!.data[0] = start;
    if (inputs[io.last] !== undefined) inputs[io.last]!.data[0] = ids.length - 1;
    ropeAngles(
      { start, length: into.length, headDim: config.headDim, theta: config.ropeTheta },
      { cos: data(io.cos), sin: data(io.sin) },
    );
    const history = convHistory(config) * config.hiddenSize;
    for (const [layer, timeline] of this.#conv) {
      const at = start * config.hiddenSize;
      data(io.conv(layer)).set(timeline.subarray(at, at + history));
    }
    await binding.run();
    for (const [layer, timeline] of this.#conv) {
      const fresh = outputs[io.next(io.conv(layer))]!.data as Float32Array;
      timeline.set(
        fresh.subarray(0, ids.length * config.hiddenSize),
        start * config.hiddenSize + history,
      );
    }
    this.#ids.push(...ids);
  }
}
