/**
 * One shape of decode step, ready to run: the model's graph as a whole, and in parts cut before each Engram layer.
 * Where every row of the memory is at hand, the whole runs, for one run costs less than several. Where rows are still
 * on their way, the parts run, each as soon as its own rows are there, so that the layers before an Engram layer
 * cover its look-up. Both compute the same operations in the same order. Either is compiled when it is first needed.
 * Knows no tokens, sessions or slots. (docs/decisions/0016-prefetch-and-guesses.md)
 */
import type { LookUp } from "../memory/memory.ts";
import { decodeParts, io, type LayerRange } from "../model/index.ts";
import { type Binding, type Value, zeros } from "../tensor/index.ts";
import { inputsOf } from "./language-model.ts";
import type { DecodeKey, Decoder } from "./decoder.ts";

interface Part {
  readonly binding: Binding;
  /** The Engram layers whose rows it reads. */
  readonly layerIds: readonly number[];
}

/** See the head of this file. Dispose it when nothing runs. */
export class DecodeStep {
  /** By the graph's names, without weights. The whole and the parts share them: what is set counts for either. */
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Value>>;
  /** Those of the inputs that the memory fills, [B*T, E] by layer. */
  readonly vectors: ReadonlyMap<number, Float32Array>;
  readonly key: DecodeKey;
  readonly #decoder: Decoder;
  readonly #cuts: readonly LayerRange[];
  /** What enters each part but the first. */
  readonly #streams: Record<string, Value> = {};
  #whole: Promise<Part[]> | undefined;
  #parts: Promise<Part[]> | undefined;

  /** `caches` are the key-value caches by their graph names; runs update them in place. */
  constructor(
    decoder: Decoder,
    { caches, ...key }: DecodeKey & { readonly caches: Readonly<Record<string, Value>> },
  ) {
    const { config, params } = decoder.model;
    const graph = decoder.graph(key);
    const inputs: Record<string, Value> = { ...caches };
    for (const [name, { dtype, shape }] of graph.inputs)
      if (params[name] === undefined) inputs[name] ??= zeros(dtype, shape);
    const outputs: Record<string, Value> = {};
    for (const [name, cache] of Object.entries(caches)) outputs[io.next(name)] = cache;
    for (const [name, { dtype, shape }] of graph.outputs) outputs[name] ??= zeros(dtype, shape);
    this.inputs = inputs;
    this.outputs = outputs;
    this.vectors = new Map(
      (decoder.model.memory?.inputs ?? []).map(({ layerId: layer }) => [
        layer,
        inputs[io.memory(layer)]!.data as Float32Array,
      ]),
    );
    this.#decoder = decoder;
    this.key = key;
    this.#cuts = decodeParts(config);
    for (const { from } of this.#cuts.slice(1))
      this.#streams[io.stream(from)] = zeros("f32", [key.batch, key.length, config.hiddenSize]);
  }

  /**
   * Runs on the inputs as they are, and on the rows that `lookUp` brings. Rejects if those cannot be had. Either way
   * nothing is under way any more when it comes back. `meanwhile` is called once the engine has begun.
   */
  async run(lookUp?: LookUp, meanwhile: () => void = () => undefined): Promise<void> {
    const { meter } = this.#decoder;
    if (lookUp !== undefined) meter.stepBegins(lookUp);
    if (lookUp === undefined || lookUp.isDone) {
      for (const { binding } of await this.#wholes()) {
        const run = binding.run();
        meanwhile();
        await run;
      }
      return;
    }
    let isStalled = false;
    try {
      const parts = await this.#inParts();
      const [first] = parts as [Part];
      // Asking takes this thread a while: it does so beside the engine, where the first part needs no rows.
      const needsRows = first.layerIds.length > 0;
      if (needsRows) lookUp.begin();
      for (const part of parts) {
        if (await meter.waitFor(lookUp, part.layerIds)) isStalled = true;
        const run = part.binding.run();
        if (part === first) {
          if (!needsRows) lookUp.begin();
          meanwhile();
        }
        await run;
      }
    } finally {
      if (isStalled) meter.stalled();
      await lookUp.settled();
    }
  }

  async dispose(): Promise<void> {
    for (const parts of [this.#whole, this.#parts])
      for (const { binding } of (await parts?.catch(() => [])) ?? []) binding.dispose();
    this.#whole = undefined;
    this.#parts = undefined;
  }

  #wholes(): Promise<Part[]> {
    if (this.#whole === undefined) {
      this.#whole = this.#bindAll([undefined]);
      // A failed compile must not be what every later step is told.
      this.#whole.catch(() => (this.#whole = undefined));
    }
    return this.#whole;
  }

  #inParts(): Promise<Part[]> {
    if (this.#cuts.length === 1) return this.#wholes();
    if (this.#parts === undefined) {
      this.#parts = this.#bindAll(this.#cuts);
      this.#parts.catch(() => (this.#parts = undefined));
    }
    return this.#parts;
  }

  /** All of them, or none. */
  async #bindAll(cuts: readonly (LayerRange | undefined)[]): Promise<Part[]> {
    const results = await Promise.allSettled(cuts.map((cut) => this.#bind(cut)));
    const bound = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
    const failed = results.find((result) => result.status === "rejected");
    if (failed === undefined) return bound;
    for (const { binding } of bound) binding.dispose();
    throw failed.reason;
  }

  async #bind(part: LayerRange | undefined): Promise<Part> {
    const { model, executables } = this.#decoder;
    const key = part === undefined ? this.key : { ...this.key, part };
    const { graph, executable } = await executables.get(key);
    const given = { ...this.inputs, ...this.#streams };
    const inputs = { ...inputsOf(graph, model.params), ...inputsOf(graph, given) };
    const produced = { ...this.outputs, ...this.#streams };
    const outputs = Object.fromEntries([...graph.outputs.keys()].map((n) => [n, produced[n]!]));
    const { from, to } = part ?? { from: 0, to: model.config.numLayers };
    // Behind the last layer stands what the top reads.
    const end = to === model.config.numLayers ? to + 1 : to;
    const layerIds = [...this.vectors.keys()].filter((layer) => layer >= from && layer < end);
    return { binding: executable.bind(inputs, outputs), layerIds };
  }
}
