/**
 * A decode step of one shape: the model's graph as a whole, and split before each Engram layer. If all rows of the
 * memory have arrived, the whole graph runs, because one run costs less than several. Otherwise the parts run, each
 * as soon as its own rows have arrived, so that the layers before an Engram layer hide the latency of its look-up.
 * Both compute the same operations in the same order. Each is compiled when it is first needed. Knows no tokens,
 * sessions or slots. (docs/decisions/0016-prefetch-and-guesses.md)
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

/** Dispose it when nothing runs. */
export class DecodeStep {
  /** By the graph's names, without weights. The whole graph and the parts share these arrays. */
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Value>>;
  /** The inputs that the memory fills, [B*T, E] by layer. */
  readonly vectors: ReadonlyMap<number, Float32Array>;
  readonly key: DecodeKey;
  readonly #decoder: Decoder;
  readonly #cuts: readonly LayerRange[];
  /** The inputs of each part but the first. */
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
      (decoder.model.memory?.inputs ?? []).flatMap(({ layerId: layer }) => {
        // What is read behind the last layer is no input of a graph that ends there, at the hidden states.
        const place = inputs[io.memory(layer)];
        return place === undefined ? [] : [[layer, place.data as Float32Array] as const];
      }),
    );
    this.#decoder = decoder;
    this.key = key;
    this.#cuts = decodeParts(config);
    for (const { from } of this.#cuts.slice(1))
      this.#streams[io.stream(from)] = zeros("f32", [key.batch, key.length, config.hiddenSize]);
  }

  /**
   * Runs on the present inputs and the rows of `lookUp`. Rejects if the rows cannot be read. In both cases nothing is
   * in flight when it settles. `meanwhile` is called once the engine has started.
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
      // Starting the reads takes this thread a while. If the first part needs no rows, that happens while
      // the engine runs.
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
      // A failed compilation is not cached: the next step tries again.
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

  /** Binds all of them, or none. */
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
    // After the last layer comes the input of the output head.
    const end = to === model.config.numLayers ? to + 1 : to;
    const layerIds = [...this.vectors.keys()].filter((layer) => layer >= from && layer < end);
    return { binding: executable.bind(inputs, outputs), layerIds };
  }
}
