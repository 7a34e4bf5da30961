/**
 * One mutable timeline: the token ids so far, the key-value cache and look-back that belong to them,
 * and the logits they lead to. Any split of the same ids into appends gives the same logits, up to the
 * rounding of sums. Knows ids and numbers; not text, sampling, stop rules or requests.
 *
 * State is only what the ids determine, so rewinding is forgetting and forking is copying. Where the model's
 * `documentStart` comes, a document starts, and what follows is as if that token were the first: nothing before it is
 * seen, and positions count from it. Cache positions behind the document's end, up to the kept documents (`KeyValues`),
 * hold leftovers that the next append overwrites before reading.
 */
import { InvalidConfigError, InvariantError, NonFiniteError, RequestError } from "../errors.ts";
import { memoryWidth, Retrieval, type RetrievalTable } from "../memory/index.ts";
import { decodeGraph, type DecodeShape, io, type LayerRange, ropeAngles } from "../model/index.ts";
import { firstNonFinite } from "../numerics/index.ts";
import type { Graph, Value } from "../tensor/index.ts";
import { DecodeStep } from "./decode-step.ts";
import { Guesses } from "./guesses.ts";
import { emptyCaches, KeyValues } from "./key-values.ts";
import { checkTokenIds, ExecutableCache, type LanguageModel } from "./language-model.ts";
import { MemoryMeter } from "./memory-meter.ts";
import { type StagedIds, Timeline } from "./timeline.ts";
import { documentEnd } from "./windows.ts";

export interface DecodeKey {
  readonly batch: number;
  readonly length: number;
  readonly logits: DecodeShape["logits"];
  /** With the sizes of what the memory wrote. */
  readonly sizes?: boolean;
  /** With the input that scales what the memory adds: left out where that is 1, since every node costs time. */
  readonly scaled?: boolean;
  /** Only these layers. Default: the whole model. */
  readonly part?: LayerRange;
}

export interface DecoderOptions {
  /** Tokens a session holds. Default, and most: the model's `maxPositions`. */
  readonly capacity?: number;
}

/** Runs `LanguageModel`s step by step: compiled graphs, shared by all sessions of a model. */
export class Decoder {
  readonly model: LanguageModel;
  readonly capacity: number;
  /** For sessions and batches. */
  readonly executables: ExecutableCache<DecodeKey>;
  readonly meter: MemoryMeter = new MemoryMeter();
  /** Absent where no store would take hints. */
  readonly guesses: Guesses | undefined;

  constructor(model: LanguageModel, { capacity = model.config.maxPositions }: DecoderOptions = {}) {
    const { maxPositions } = model.config;
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > maxPositions)
      throw new InvalidConfigError(
        `a context must hold 1..${maxPositions} tokens (the model's max_position_embeddings), got ${capacity}`,
      );
    this.model = model;
    this.capacity = capacity;
    this.guesses = Guesses.for(model, this.meter);
    this.executables = new ExecutableCache(model.backend, (key) => this.graph(key));
  }

  graph(key: DecodeKey): Graph {
    const { model, capacity } = this;
    return decodeGraph(model.config, {
      capacity,
      quantized: model.quantized,
      ...key,
    });
  }

  createSession(options: SessionOptions = {}): Session {
    return new Session(this, options);
  }

  async dispose(): Promise<void> {
    await this.executables.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

export interface SessionOptions {
  /** The key-value caches [1,K,C,d] by their graph names; the session's own if not given. */
  readonly caches?: Readonly<Record<string, Value>>;
  /** Multiplies what the memory adds: 1 as trained, 0 as without. Default 1. */
  readonly scale?: number;
  /** Where rows are read, in place of the model's own tables (`ablatedTables`). */
  readonly tables?: readonly RetrievalTable[];
}

/** How much the memory wrote at each appended position, by Engram layer. */
export interface WriteSizes {
  /** L2 length of what was added to the stream. */
  readonly written: Float32Array;
  /** L2 length of the stream before. */
  readonly stream: Float32Array;
}

/** Of an append: what `DecodeShape` names, or all logits with the sizes of what was written. */
type Wanted = DecodeKey["logits"] | "traced";

/** Prompts are cut into pieces of these lengths; more of them would only mean more compiling. */
const smallestPiece = 8;

/** See the head of this file. Made by `Model.createSession`; dispose it to give its caches back. */
export class Session {
  readonly #decoder: Decoder;
  readonly #tables: readonly RetrievalTable[];
  readonly #retrieval: Retrieval;
  readonly #keyValues: KeyValues;
  readonly #steps = new Map<string, DecodeStep>();
  readonly #scale: Float32Array;
  #gates: ReadonlyMap<number, Float32Array> = new Map();
  #rows: ReadonlyMap<number, Uint32Array> = new Map();
  #sizes: ReadonlyMap<number, WriteSizes> = new Map();
  #busy = false;
  #disposed = false;
  /** For batches, which read on where this session stands. */
  readonly timeline: Timeline;

  /** Use `Decoder.createSession`. */
  constructor(decoder: Decoder, { caches, scale = 1, tables }: SessionOptions) {
    this.#decoder = decoder;
    this.#tables = tables ?? decoder.model.memory?.tables ?? [];
    this.#retrieval = new Retrieval(this.#tables);
    this.#keyValues = new KeyValues(caches ?? emptyCaches(decoder, 1));
    this.#scale = Float32Array.of(scale);
    this.timeline = new Timeline(decoder.model, decoder.capacity);
  }

  get length(): number {
    return this.timeline.length;
  }

  get ids(): readonly number[] {
    return this.timeline.ids;
  }

  /** Tokens that still fit. */
  get remaining(): number {
    return this.#decoder.capacity - this.length;
  }

  /** Gates of the ids of the last append, one value a token, by Engram layer. */
  get gates(): ReadonlyMap<number, Float32Array> {
    return this.#gates;
  }

  /** Rows of the ids of the last append, [n, C] by Engram layer: where the memory was read. */
  get rows(): ReadonlyMap<number, Uint32Array> {
    return this.#rows;
  }

  /** Of the ids of the last append, if that was `appendTraced`; otherwise empty. */
  get sizes(): ReadonlyMap<number, WriteSizes> {
    return this.#sizes;
  }

  /** What the memory's contribution is multiplied by. */
  get scale(): number {
    return this.#scale[0]!;
  }

  /** Appends ids; resolves to the logits [V] after the last. If it rejects, nothing was appended. */
  async append(ids: ArrayLike<number>): Promise<Float32Array> {
    return this.#append(ids, "last");
  }

  /** As `append`, with the logits after every appended id: [ids.length * V]. */
  async appendAll(ids: ArrayLike<number>): Promise<Float32Array> {
    return this.#append(ids, "all");
  }

  /** As `appendAll`, with `sizes` besides. */
  async appendTraced(ids: ArrayLike<number>): Promise<Float32Array> {
    return this.#append(ids, "traced");
  }

  /** As `append`, with the hidden states after the final norm in place of logits: [ids.length * D]. */
  async appendHidden(ids: ArrayLike<number>): Promise<Float32Array> {
    return this.#append(ids, "none");
  }

  /**
   * Says that `ids` will probably be appended next, but for the first `skip` of them, which are being appended now:
   * slow stores may begin to read. Changes speed, never results.
   */
  expect(ids: readonly number[], { skip = 0 }: { skip?: number } = {}): void {
    this.#decoder.guesses?.expect(this.timeline, { ids, skip, retrieval: this.#retrieval });
  }

  /** Forgets everything from position `length` on. */
  rewind(length: number): void {
    this.#check();
    this.#rewind(length);
  }

  /** Addresses ids that are read next, of which only the first may start a document. For batches, too. */
  stage(ids: readonly number[]): StagedIds {
    const before = this.timeline.documentStart;
    const staged = this.timeline.stage(ids);
    const { documentStart } = this.timeline;
    if (documentStart !== before) this.#keyValues.begin(documentStart);
    return staged;
  }

  /**
   * Throws `NonFiniteError` unless the logits or hidden states that came of reading `position` and what follows are
   * finite. Weights and rows were when they were read, so anything else overflowed on the way. For batches, too.
   */
  checkFinite(outputs: Float32Array, position: number): void {
    const at = firstNonFinite(outputs);
    if (at === -1) return;
    const layer = this.#keyValues.firstNonFinite(position);
    throw new NonFiniteError(
      `the text from position ${position} on led to ${outputs[at]} in place of a number: ` +
        (layer === undefined
          ? "keys and values of all layers are finite, so it arose in the last layer or after it"
          : `layer ${layer} is the first whose keys or values are not finite, so it arose there or in the layer before`) +
        "; the weights are too large to compute with, as training that diverged leaves them",
    );
  }

  /** Forgets a step that failed, from position `length` on, with what it left in the caches. For batches, too. */
  undo(length: number): void {
    this.#rewind(length);
    this.#keyValues.clear(length);
  }

  /** Forgets everything and goes on with another scale. */
  restart({ scale }: { scale: number }): void {
    this.rewind(0);
    this.#scale[0] = scale;
  }

  /** An independent session with the same past, which reads the same tables at the same scale. */
  fork(): Session {
    const copy = this.#decoder.createSession({ scale: this.scale, tables: this.#tables });
    copy.copyPrefix(this, this.length);
    return copy;
  }

  /**
   * Becomes a copy of the first `length` tokens of `other`, a session of the same decoder, tables and scale: keys and
   * values depend on all that the memory added.
   */
  copyPrefix(other: Session, length: number): void {
    this.#check();
    const readsAlike =
      other.#decoder === this.#decoder &&
      other.scale === this.scale &&
      other.#tables.length === this.#tables.length &&
      other.#tables.every((table, i) => table === this.#tables[i]);
    if (!readsAlike)
      throw new InvariantError(
        "a prefix comes from a session of the same decoder, tables and scale",
      );
    other.#check();
    if (!Number.isInteger(length) || length < 0 || length > other.length)
      throw new InvariantError(`a prefix of ${length} tokens of ${other.length} does not exist`);
    this.timeline.copyFrom(other.timeline, length);
    this.#keyValues.become(other.#keyValues, { length, starts: other.timeline.documents });
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const step of this.#steps.values()) await step.dispose();
    this.#steps.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #check(): void {
    if (this.#disposed) throw new RequestError("this session is disposed; create another");
    if (this.#busy) throw new RequestError("this session is still appending; await that first");
  }

  #rewind(length: number): void {
    const starts = [...this.timeline.documents];
    this.timeline.rewind(length);
    this.#keyValues.become(this.#keyValues, { length, starts });
  }

  async #append(ids: ArrayLike<number>, logits: Wanted): Promise<Float32Array> {
    this.#check();
    const { config } = this.#decoder.model;
    checkTokenIds(ids, config.vocabSize);
    if (ids.length === 0) throw new RequestError("append needs at least one token id");
    if (ids.length > this.remaining)
      throw new RequestError(
        `${this.length} + ${ids.length} tokens exceed the model's context of ${this.#decoder.capacity}; ` +
          "shorten the text",
      );
    const before = this.length;
    const gates = new Map<number, Float32Array>(
      (config.engram?.layerIds ?? []).map((layer) => [layer, new Float32Array(ids.length)]),
    );
    const columns = this.#decoder.model.memory?.addressing.numColumns ?? 0;
    const rows = new Map(
      [...gates.keys()].map((layer) => [layer, new Uint32Array(ids.length * columns)]),
    );
    const sizes = new Map<number, WriteSizes>(
      [...(logits === "traced" ? gates.keys() : [])].map((layer) => [
        layer,
        { written: new Float32Array(ids.length), stream: new Float32Array(ids.length) },
      ]),
    );
    const width = logits === "none" ? config.hiddenSize : config.vocabSize;
    const all = new Float32Array(logits === "last" ? 0 : ids.length * width);
    this.#busy = true;
    try {
      const { documentStart } = config;
      const end = (from: number): number => documentEnd(ids, { from, documentStart });
      const first = this.#pieceLength(end(0));
      if (first < ids.length) this.expect(Array.from(ids), { skip: first });
      let last: Float32Array | undefined;
      for (let at = 0; at < ids.length;) {
        const left = end(at) - at;
        const length = this.#pieceLength(left);
        const count = Math.min(length, left);
        const piece = Array.from({ length: count }, (_, i) => ids[at + i]!);
        const step = this.#step(length, logits);
        const staged = await this.#runPiece(step, piece);
        for (const [layer, values] of staged.rows) rows.get(layer)!.set(values, at * columns);
        for (const [layer, values] of gates)
          values.set((step.outputs[io.gate(layer)]!.data as Float32Array).subarray(0, count), at);
        for (const [layer, { written, stream }] of sizes) {
          const output = (name: string): Float32Array =>
            (step.outputs[name]!.data as Float32Array).subarray(0, count);
          written.set(output(io.written(layer)), at);
          stream.set(output(io.writtenTo(layer)), at);
        }
        last = step.outputs[logits === "none" ? io.hidden : io.logits]!.data as Float32Array;
        const read = logits === "last" ? last : last.subarray(0, count * width);
        this.checkFinite(read, before + at);
        if (logits !== "last") all.set(read, at * width);
        at += count;
      }
      this.#gates = gates;
      this.#sizes = sizes;
      this.#rows = rows;
      return logits === "last" ? last!.slice() : all;
    } catch (error) {
      this.undo(before);
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

  #step(length: number, logits: Wanted): DecodeStep {
    const scaled = this.scale !== 1;
    const key = `${length} ${logits} ${scaled}`;
    let step = this.#steps.get(key);
    if (step === undefined) {
      step = new DecodeStep(this.#decoder, {
        batch: 1,
        length,
        scaled,
        ...(logits === "traced" ? { logits: "all", sizes: true } : { logits }),
        caches: this.#keyValues.caches,
      });
      this.#steps.set(key, step);
    }
    return step;
  }

  async #runPiece(step: DecodeStep, ids: readonly number[]): Promise<StagedIds> {
    const { inputs, outputs } = step;
    const { config } = this.#decoder.model;
    const start = this.length;
    const data = (name: string): Float32Array => inputs[name]!.data as Float32Array;
    const staged = this.stage(ids);
    const past = start - this.timeline.documentStart;
    const width = config.engram === undefined ? 0 : memoryWidth(config.engram);
    const lookUp = this.#retrieval.lookUp(
      [...staged.rows].map(([layerId, rows]) => ({
        layerId,
        rows,
        memory_PE: data(io.memory(layerId)).subarray(0, ids.length * width),
        areDistinct: ids.length === 1,
      })),
    );
    const { guesses } = this.#decoder;
    guesses?.read(this.timeline, { start, isLate: !lookUp.isDone });
    const into = inputs[io.ids]!.data;
    into.fill(0);
    into.set(ids);
    inputs[io.past]!.data[0] = past;
    if (inputs[io.last] !== undefined) inputs[io.last]!.data[0] = ids.length - 1;
    ropeAngles(
      { start: past, length: into.length, headDim: config.headDim, theta: config.ropeTheta },
      { cos: data(io.cos), sin: data(io.sin) },
    );
    for (const layer of this.timeline.convLayers)
      data(io.conv(layer)).set(this.timeline.convPast(layer));
    if (inputs[io.scale] !== undefined) data(io.scale).set(this.#scale);
    if (staged.rows.size === 0) await step.run();
    else await step.run(lookUp, () => guesses?.guess(this.timeline, this.#retrieval));
    this.timeline.commit(staged, (layer) => outputs[io.next(io.conv(layer))]!.data as Float32Array);
    return staged;
  }
}
